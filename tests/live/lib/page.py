# SPDX-License-Identifier: Apache-2.0
"""The page of `tcpdwell report` as data: its tables, its links, its scripts."""
import base64
import hashlib
import html.parser
import json
import re


class _Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tables = {}   # by caption: list of {column: text}
        self.findings = []  # text
        self.links, self.ids, self.tags, self.attributes = [], set(), set(), set()
        self._table = self._row = self._cell = self._finding = None

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        self.attributes.update(attributes)
        if "id" in attributes:
            self.ids.add(attributes["id"])
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "table":
            self._table = {"caption": "", "columns": [], "rows": []}
        elif tag == "tr" and self._table is not None:
            self._row = []
        elif tag in ("th", "td", "caption"):
            self._cell = ""
        elif tag == "li":
            self._finding = ""

    def handle_data(self, data):
        if self._cell is not None:
            self._cell += data
        if self._finding is not None:
            self._finding += data

    def handle_endtag(self, tag):
        table = self._table
        if tag == "caption":
            table["caption"], self._cell = self._cell, None
        elif tag in ("th", "td") and self._row is not None:
            self._row.append(self._cell)
            self._cell = None
        elif tag == "tr" and table is not None:
            if table["columns"]:
                table["rows"].append(dict(zip(table["columns"], self._row)))
            else:
                table["columns"] = self._row
            self._row = None
        elif tag == "table":
            self.tables[table["caption"]] = table["rows"]
            self._table = None
        elif tag == "li" and self._finding is not None:
            self.findings.append(self._finding.strip())
            self._finding = None


# As in user/report/packed_lives.cpp.
FIELDS = ("cookie_low", "cookie_high", "life", "service", "owner", "local", "local_port", "peer",
          "peer_port", "role", "opened", "closed", "ended", "time_wait_ended", "syns_sent", "closer",
          "netns")


class _Numbers:
    def __init__(self, text):
        self._bytes = iter(base64.b64decode(text))

    def next(self, first=None):
        value, shift = 0, 0
        while True:
            byte = next(self._bytes) if first is None else first
            first = None
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self):
        value = self.next()
        return -(value + 1) // 2 if value % 2 else value // 2

    def lives(self):
        for first in self._bytes:
            yield self._life(first)

    def _life(self, first):
        life = dict(zip(FIELDS, [self.next(first), *(self.next() for _ in FIELDS[1:])]))
        life["tally"] = [self.next() for _ in range(4)] if self.next() else None
        at, life["spans"], life["marks"] = self.signed(), [], []
        for _ in range(self.next()):
            state, why, begin = self.next(), self.next(), at + self.signed()
            at = begin + self.signed()
            life["spans"].append({"state": state, "why": why, "begin": begin, "end": at,
                                  "error": self.next() - 1})
        for _ in range(self.next()):
            life["marks"].append({
                "flag": self.next(), "cause": self.next(), "raised": self.signed(),
                "cleared": self.signed() if self.next() else None, "threshold": self.next(),
                "since": self.signed(), "holders": self.next(), "where": self.next()})
        return life


class Page:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        reader = _Reader()
        reader.feed(self.text)
        self.tables, self.links, self.ids = reader.tables, reader.links, reader.ids
        self.tags, self.attributes = reader.tags, reader.attributes
        self.findings = reader.findings
        self.data = json.loads(re.search(
            r'<script type="application/json" id="data">(.*?)</script>', self.text, re.S)[1])
        chunks = re.findall(r'<script type="text/plain" class="lives">(.*?)</script>', self.text)
        self.lives = [life for chunk in chunks for life in _Numbers(chunk).lives()]

    def has_right_hashes(self):
        """The policy allows exactly the style sheet and the script of the page."""
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', self.text)[1]
        parts = {"style": re.search(r"<style>(.*?)</style>", self.text, re.S)[1],
                 "script": re.search(r'<script type="module">(.*?)</script>', self.text, re.S)[1]}
        return all(
            f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
            in policy for kind, part in parts.items())
