# SPDX-License-Identifier: Apache-2.0
"""The page of `report` in Debian's chromium: no request, no console message, by pointer and by key.

Its numbers: tests/live/test_report.py.
"""
import json
import pathlib
import subprocess

import pytest
from lib.tracer import BINARY
from support.browser import Browser

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
# A name that a page would run or lay out if it were not text; comm has 15 bytes.
HOSTILE = ("<script>alert(1", "<img src=x onb>", "</script><b>", "\u202eevil", "a\x1b[31mred")


def report(recording, target, *options):
    subprocess.run([BINARY, "report", str(recording), "-o", str(target), "-q", *options],
                   check=True)
    return target


@pytest.fixture(scope="module", name="page")
def page_fixture(tmp_path_factory):
    """Of leak.tdw up to a time at which sockets are stuck."""
    recording = GOLDEN / "leak.tdw"
    lines = subprocess.run([BINARY, "replay", recording, "--json", "--only", "flag"],
                           stdout=subprocess.PIPE, check=True).stdout.splitlines()
    cleared = min(line["time"] for line in map(json.loads, lines)
                  if line["type"] == "flag" and line["event"] == "cleared")
    return report(recording, tmp_path_factory.mktemp("report") / "leak.html", "--until", cleared)


@pytest.fixture(name="browser")
def browser_fixture():
    with Browser() as browser:
        yield browser
        assert not browser.messages, browser.messages
        assert all(url.startswith(("file:", "about:")) for url in browser.requests)


def shown(browser):
    """The status of the timeline, and the chosen connection."""
    return browser.run("[document.getElementById('tl-status').textContent,"
                       "document.getElementById('tl-life').hidden ? '' :"
                       " document.getElementById('tl-life').textContent]")


def colors(browser):
    """How many colours the canvas has: more than one once it is drawn."""
    return browser.run(
        "(() => { const c = document.getElementById('tl-canvas'); const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data; const s = new Set();"
        "for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]);"
        "return s.size; })()")


@pytest.mark.parametrize("width", [360, 1280, 3840])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_looks(browser, page, width, dark):
    browser.open(page, width, 900, dark)
    browser.after_frames()
    assert browser.requests == [f"file://{page}"]
    assert browser.run("document.documentElement.scrollWidth") <= width, "no scrolling sideways"
    assert colors(browser) > 8
    visible = browser.run("['.wide', '.narrow'].map(s => document.querySelector(`#states ${s}`)"
                          ".getBoundingClientRect().width > 0)")
    assert visible == ([False, True] if width == 360 else [True, False])
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") is not dark
    # Text can be told from its ground: WCAG's 4.5 to 1.
    assert browser.run("""(() => {
      const light = c => { const v = c.match(/[\\d.]+/g).slice(0, 3).map(x => x / 255)
        .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4);
        return .2126 * v[0] + .7152 * v[1] + .0722 * v[2]; };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      return Math.min(...[...document.querySelectorAll('p, dt, dd, a, h1, h2, summary')].map(e => {
        const ink = light(getComputedStyle(e).color);
        return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05); })); })()""") >= 4.5


def test_search_groups_and_keys(browser, page):
    browser.open(page)
    browser.after_frames()
    all_of_them, none = shown(browser)
    assert all_of_them.startswith("10 connections, from ") and none == ""
    browser.press("/")
    assert browser.run("document.activeElement.id") == "tl-search"
    browser.type("close_wait")
    assert " of 10 connections match" in shown(browser)[0]
    browser.run("document.getElementById('tl-search').select()")
    browser.type("no such thing")
    assert shown(browser)[0].startswith("0 of 10 connections match")
    browser.run("document.getElementById('tl-search').select()")
    browser.press("Backspace")
    assert shown(browser)[0] == all_of_them
    for by in ("owner", "peer", "port", "state", "ended", "none"):
        browser.run(f"(() => {{ const s = document.getElementById('tl-group'); s.value = '{by}';"
                    "s.dispatchEvent(new Event('change')); })()")
        browser.after_frames()
        assert shown(browser)[0] == all_of_them
    browser.run("document.getElementById('tl-canvas').focus()")
    browser.press("ArrowDown")
    first = shown(browser)[1]
    assert "service" in first and "caused by" in first
    browser.press("ArrowDown")
    assert shown(browser)[1] != first
    browser.press("ArrowUp")
    assert shown(browser)[1] == first
    browser.press("+", "+", "ArrowRight")
    assert shown(browser)[0] != all_of_them
    browser.press("Home")
    assert shown(browser)[0] == all_of_them
    browser.press("Escape")
    assert shown(browser)[1] == ""


def test_pointer(browser, page):
    browser.open(page, 1280, 1000)
    browser.run("document.getElementById('tl-box').scrollIntoView({behavior: 'instant', block: 'center'})")
    browser.after_frames()
    x, y, wide = browser.run("(() => { const b = document.getElementById('tl-canvas')"
                             ".getBoundingClientRect(); return [b.x, b.y, b.width]; })()")
    browser.click(x + wide * 0.9, y + 22 + 6)
    life = shown(browser)[1]
    assert "Flagged FIN_WAIT_2 (half_closed)" in life, "flagged connections have the first lines"
    before = shown(browser)[0]
    browser.click(*browser.run("(() => { const b = document.getElementById('tl-in')"
                               ".getBoundingClientRect(); return [b.x + 5, b.y + 5]; })()"))
    assert shown(browser)[0] != before
    browser.run("document.getElementById('tl-list').open = true")
    browser.after_frames()
    assert browser.run("document.querySelectorAll('#tl-list tbody tr').length") == 10


def test_readout_of_states(browser, page):
    browser.open(page)
    browser.run("document.querySelector('#states figure').focus()")
    browser.press("ArrowLeft")
    assert "CLOSE_WAIT" in browser.run("document.querySelector('#states .readout').textContent")


def test_without_script_the_findings_are_there(page):
    with Browser(script=False) as browser:
        browser.open(page)
        # The protocol's own evaluation is not the page's script.
        text = browser.document_text()
        assert "is in CLOSE_WAIT for longer than" in text
        assert "Next:" in text
        assert not browser.messages


def test_hostile_names_are_text(browser, place, folder):
    target = pathlib.Path(folder) / "hostile.html"
    recording = pathlib.Path(folder) / "hostile.tdw"
    ready = pathlib.Path(folder) / "ready"
    tracer = place.start([BINARY, "record", "-o", str(recording), "--netns", "self",
                          "--ready-file", str(ready), "-d", "4s"])
    while not ready.exists():
        assert tracer.poll() is None
    for name in HOSTILE:
        code = ("import socket, sys; open('/proc/self/comm', 'wb').write(sys.argv[1].encode());"
                "l = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection("
                "l.getsockname()); s = l.accept()[0]; c.close(); s.close()")
        assert place.start(["/usr/bin/python3", "-c", code, name]).wait() == 0
    assert tracer.wait() == 0
    report(recording, target)
    browser.open(target)
    browser.after_frames()
    browser.run("document.getElementById('tl-list').open = true")
    browser.after_frames()
    text = browser.document_text()
    for name in ("<script>alert(1", "<img src=x onb>", "</script><b>", "\\xe2\\x80\\xaeevil",
                 "a\\x1b[31mred"):
        assert name in text, name
    assert browser.run("document.querySelectorAll('img, b b, main script').length") == 0
    # Of the page's scripts, those with data are gone once they are read.
    assert browser.run("document.scripts.length") == 1
