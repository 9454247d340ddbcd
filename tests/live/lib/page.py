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

    def has_right_hashes(self):
        """The policy allows exactly the style sheet and the script of the page."""
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', self.text)[1]
        parts = {"style": re.search(r"<style>(.*?)</style>", self.text, re.S)[1],
                 "script": re.search(r'<script type="module">(.*?)</script>', self.text, re.S)[1]}
        return all(
            f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
            in policy for kind, part in parts.items())
