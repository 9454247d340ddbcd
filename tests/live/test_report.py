# SPDX-License-Identifier: Apache-2.0
"""`report`: its numbers are those of `stats` and `leaks`, and its trace is that of the transitions.

The page in a real browser: tests/field/test_report.py.
"""
import collections
import json
import os
import pathlib
import re
import socket

import pytest

from lib import patience, perfetto
from lib.netns import Netns
from lib.page import Page
from lib.tracer import BINARY
from test_where import NO_FRAME_POINTERS, build, line_of
from test_where_events import flags_of

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
RECORDINGS = pytest.mark.parametrize("name", ["leak", "lives"])
HOSTILE = b"</td><img src=x"


def run(*arguments, status=0):
    done = patience.run([BINARY, *map(str, arguments)])
    assert done.returncode == status, done.stderr.decode()
    return done.stdout


def report(recording, folder, *options):
    target = folder / "page.html"
    run("report", recording, "-o", target, *options)
    return Page(target)


def number(text):
    return int(text.replace(",", ""))


def stats_of(recording, *options):
    lines = [json.loads(line) for line in run("replay", recording, "stats", "--json", *options)
             .splitlines()]
    return next(line for line in lines if line["type"] == "stats" and line.get("total"))


@RECORDINGS
def test_numbers_are_those_of_stats(name, tmp_path):
    recording = GOLDEN / f"{name}.tdw"
    page, stats = report(recording, tmp_path), stats_of(recording)
    shown = page.tables["As of stats: all states"]
    assert len(shown) == len(stats["rows"])
    for row, told in zip(shown, stats["rows"]):
        assert row["state"] == told["state"]
        for key in ("entered", "left", "now", "flagged", "inexact"):
            assert number(row[key]) == told[key], (row["state"], key)
        for key in ("min", "p50", "p90", "p99", "max"):
            if told["dwell_ns"] is None:
                assert row[key] == "-"
            elif told["dwell_ns"][key] < 1_000_000:
                assert row[key] == f"{told['dwell_ns'][key] // 1000}us"
    edges = {(row["from"], row["to"]): number(row["how often"])
             for row in page.tables["Transitions"]}
    lines = [json.loads(line) for line in run("replay", recording, "--json").splitlines()]
    assert edges == collections.Counter(
        (line["from"], line["to"]) for line in lines if line["type"] == "transition")


@pytest.fixture(name="stuck", scope="module")
def stuck_fixture():
    """--until a time at which sockets of leak.tdw are stuck: just before the first flag is cleared."""
    lines = [json.loads(line) for line in run("replay", GOLDEN / "leak.tdw", "--json").splitlines()]
    cleared = min(line["time"] for line in lines
                  if line["type"] == "flag" and line["event"] == "cleared")
    return "--until", cleared


def test_groups_are_those_of_leaks(stuck, tmp_path):
    recording = GOLDEN / "leak.tdw"
    page = report(recording, tmp_path, *stuck)
    flags = [json.loads(line) for line in
             run("replay", recording, "leaks", "--json", *stuck, status=1).splitlines()]
    flags = [flag for flag in flags if flag["type"] == "flag"]
    groups = page.tables["Stuck sockets at the end"]
    assert sum(number(group["sockets"]) for group in groups) == len(flags) > 0
    assert {group["cause"] for group in groups} == {flag["cause"] for flag in flags}
    table = run("replay", recording, "leaks", *stuck, status=1).decode()
    for group in groups:
        assert re.search(rf"^\s+{group['sockets']} .*{group['state']}.*{re.escape(group['held by'])}",
                         table, re.M), table
    told = [finding for finding in page.findings if " for longer than " in finding]
    assert told and told[0].startswith(f"{groups[0]['sockets']} socket"), page.findings


def test_says_what_was_stuck_before(tmp_path):
    page = report(GOLDEN / "leak.tdw", tmp_path)
    assert page.findings[0].startswith("Nothing is stuck")
    assert any(finding.startswith("Stuck before: CLOSE_WAIT") for finding in page.findings)
    assert "Stuck sockets at the end" not in page.tables


@RECORDINGS
def test_page_is_whole_and_the_same_each_time(name, tmp_path):
    recording = GOLDEN / f"{name}.tdw"
    page = report(recording, tmp_path)
    again = report(recording, tmp_path)
    assert page.text == again.text
    assert page.has_right_hashes()
    assert {link[1:] for link in page.links} <= page.ids, "every link has its section"
    assert "style" not in page.attributes and not [a for a in page.attributes if a.startswith("on")]
    assert "http:" not in page.text and "https:" not in page.text
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600


def test_window(tmp_path):
    recording = GOLDEN / "lives.tdw"
    page = report(recording, tmp_path, "--since", "+200ms", "--until", "+400ms")
    stats = stats_of(recording, "--since", "+200ms", "--until", "+400ms")
    shown = {row["state"]: row for row in page.tables["As of stats: all states"]}
    for told in stats["rows"]:
        assert number(shown[told["state"]]["entered"]) == told["entered"]
        assert number(shown[told["state"]]["now"]) == told["now"]
    whole = report(recording, tmp_path)
    assert page.data["length"] < whole.data["length"]


def test_filter(tmp_path):
    port = next(json.loads(line)["local"]["port"]
                for line in run("replay", GOLDEN / "lives.tdw", "--json", "--only", "connection")
                .splitlines() if b'"server"' in line)
    page = report(GOLDEN / "lives.tdw", tmp_path, "--lport", port)
    assert page.lives and all(life["local_port"] == port for life in page.lives)


@RECORDINGS
def test_timeline_has_the_connections(name, tmp_path):
    page = report(GOLDEN / f"{name}.tdw", tmp_path)
    assert page.data["lives"] == len(page.lives)
    assert page.data["spans"] == sum(len(life["spans"]) for life in page.lives)
    told = collections.defaultdict(list)
    for line in run("replay", GOLDEN / f"{name}.tdw", "--json", "--only", "transition").splitlines():
        line = json.loads(line)
        if line["type"] == "transition" and line["cookie"] and line["dwell_ns"] is not None:
            told[int(line["cookie"], 16), line["life"]].append(
                (line["mono_ns"], line["from"], line["dwell_ns"]))
    assert told
    names = page.data["states"]
    shown = {(life["cookie_high"] << 32 | life["cookie_low"], life["life"]): life["spans"]
             for life in page.lives}
    for key, dwells in told.items():
        for span, (_, state, dwell) in zip(shown[key], sorted(dwells)):
            assert names[span["state"]] == state
            assert abs(span["end"] - span["begin"] - dwell / 1000) <= 1, "microseconds"


@RECORDINGS
def test_trace_has_the_spans_of_the_transitions(name, tmp_path):
    recording, target = GOLDEN / f"{name}.tdw", tmp_path / "trace.pftrace"
    run("report", recording, "--perfetto", target)
    trace = perfetto.read(target.read_bytes())
    states = [each for each in trace.slices if each.category == "state"]
    lives = [each for each in trace.slices if each.category == "connection"]
    assert lives and all(each.depth == 0 for each in lives)
    assert all(each.parent and each.parent.category == "connection" for each in states)
    lines = [json.loads(line) for line in run("replay", recording, "--json").splitlines()]
    left = collections.Counter((line["cookie"], line["life"], line["from"], line["mono_ns"],
                                line["dwell_ns"])
                               for line in lines
                               if line["type"] == "transition" and line["dwell_ns"] is not None)
    spans = collections.Counter((each.parent.facts["cookie"], each.parent.facts["life"], each.name,
                                 each.end, each.end - each.begin) for each in states)
    assert not left - spans, "each dwell is a span"
    ended = {(line["cookie"], line["life"]) for line in lines if line["type"] == "connection"}
    further = {key[:2] for key in spans - left}
    assert not further & ended, "further spans are of connections that were open at the end"
    flags = [line for line in lines if line["type"] == "flag" and line["event"] == "raised"]
    assert sorted(each.begin for each in trace.instants) == sorted(f["mono_ns"] for f in flags)
    stats = stats_of(recording)
    for row in stats["rows"]:
        if row["now"]:
            assert trace.counters[row["state"]][-1][1] == row["now"]


@pytest.fixture(name="netns")
def netns_fixture():
    with Netns.current().inside():
        netns = Netns.create()
        yield netns
    netns.close()


@pytest.mark.hidden_events
def test_this_host_and_a_hostile_name(netns, tmp_path):
    target, ready = tmp_path / "live.html", tmp_path / "ready"
    comm = pathlib.Path("/proc/self/comm")
    before = comm.read_bytes()
    with netns.inside():
        tracer = patience.start([BINARY, "report", "--live", "2s", "-o", str(target), "--netns",
                                 "self", "--ready-file", str(ready), "-q"])
        patience.wait_for(ready.exists, "readiness")
        try:
            comm.write_bytes(HOSTILE)
            with socket.create_server(("127.0.0.1", 0)) as listener:
                for _ in range(5):
                    client = socket.create_connection(listener.getsockname())
                    server, _ = listener.accept()
                    client.close()
                    server.close()
        finally:
            comm.write_bytes(before)
    assert tracer.wait() == 0
    page = Page(target)
    shown = {row["state"]: row for row in page.tables["As of stats: all states"]}
    assert number(shown["SYN_SENT"]["entered"]) == 5
    assert "img" not in page.tags
    assert HOSTILE.decode()[:15] in page.data["services"]
    assert "x" not in page.tags and page.has_right_hashes()


@pytest.mark.hidden_events
def test_lines_of_code(tmp_path):
    """A program that leaks: the page and the slice of its CLOSE_WAIT name the line that read the end."""
    program = build(tmp_path, "stuck", "gcc", *NO_FRAME_POINTERS, "-o", "{out}", "{src}/stuck.c")
    recording, trace = tmp_path / "stuck.tdw", tmp_path / "stuck.pftrace"
    flags_of([program], "--record", str(recording))
    page = report(recording, tmp_path, "--perfetto", trace)
    line = f"end of stream read at serve (stuck.c:{line_of('stuck.c', 'while (read(')})"
    assert line in page.findings[0], "the finding itself"
    texts = page.data["texts"]
    marks = [mark for life in page.lives for mark in life["marks"]]
    assert marks and texts[marks[0]["where"]].startswith(line), "the timeline"
    slices = [each for each in perfetto.read(trace.read_bytes()).slices if "where" in each.facts]
    assert [(each.name, each.facts["cause"]) for each in slices] == [("CLOSE_WAIT", "eof_read")]
    assert slices[0].facts["where"].startswith(line)


def test_refuses_what_makes_no_sense(tmp_path):
    recording = str(GOLDEN / "lives.tdw")
    for arguments, says in (
            ([recording], "-o OUT.html"), (["-o", "x.html"], "a recording, or --live D"),
            ([recording, "--live", "1s", "-o", "x"], "a recording, or --live D"),
            ([recording, "-o", "x", "--perfetto", "x"], "is the same file"),
            ([recording, "-o", "x", "--json"], "--json"),
            (["--live", "1s", "-o", "x", "--since", "+1s"], "--since")):
        done = patience.run([BINARY, "report", *arguments])
        assert done.returncode == 2 and says in done.stderr.decode(), done.stderr
    assert not os.path.exists("x")
    copy = tmp_path / "copy.tdw"
    copy.write_bytes((GOLDEN / "lives.tdw").read_bytes())
    done = patience.run([BINARY, "report", str(copy), "-o", str(copy)])
    assert done.returncode == 2 and copy.read_bytes() == (GOLDEN / "lives.tdw").read_bytes()
