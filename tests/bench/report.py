#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a report costs: to make it, and to open it in Debian's chromium. Needs root.

    tests/bench/report.py [--events 10,10000,2000000,10000000] [--recording FILE]

Records that many events of short connections in a network namespace of its own, with the Release
build of build/ (./dev bench makes both programs), and prints for each recording: the time and the
memory of `report`, the size of the page, the time to its first picture, the heap of its script, the
memory of the browser's process for the page at its first picture and later, and how many messages
and requests there were. 10 million events take some 2 GB in /tmp.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../field"), os.path.join(HERE, "../live")]

from measure import load  # noqa: E402
from support.browser import Browser  # noqa: E402

TCPDWELL = os.environ.get("TCPDWELL_BIN", os.path.join(load.BUILD, "tcpdwell"))
EVENTS_PER_CONNECTION = 12.5
SETTLED = 5  # seconds
# Until the state of the page is drawn: the first frame after the load event.
DRAWN = "new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"


def record(events, path):
    with load.space() as netns, netns.inside():
        ready = path + ".ready"
        tracer = subprocess.Popen([TCPDWELL, "record", "-q", "-o", path, "--netns", "self",
                                   "--ready-file", ready])
        while not os.path.exists(ready):
            assert tracer.poll() is None, "the tracer ended"
            time.sleep(0.01)
        connections = max(1, round(events / EVENTS_PER_CONNECTION))
        subprocess.run([load.CHURN, "--connections", str(connections), "--threads", "1"],
                       check=True, stdout=subprocess.DEVNULL)
        tracer.terminate()
        assert tracer.wait() == 0


def make(path, page):
    began = time.monotonic()
    process = subprocess.Popen([TCPDWELL, "report", path, "-o", page, "-q"])
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return time.monotonic() - began, usage.ru_maxrss / 1024


def measure(path, folder):
    page = os.path.join(folder, "page.html")
    seconds, megabytes = make(path, page)
    with Browser() as browser:
        browser.open("/dev/null")
        browser.open(page)
        first, heap = browser.run(DRAWN), browser.heap_bytes()
        process = browser.page_process()
        whole = browser.page_process_bytes(process)
        time.sleep(SETTLED)
        later = browser.page_process_bytes(process)
        lives = browser.run("document.getElementById('tl-status').textContent").split()[0]
        talk = len(browser.messages), len(browser.requests) - 1
    events = subprocess.run([TCPDWELL, "replay", path, "info"], stdout=subprocess.PIPE, text=True,
                            check=True).stdout
    events = next(line for line in events.splitlines() if line.startswith("events")).split()[1].strip(",")
    print(f"{events:>12} events {seconds:6.1f} s {megabytes:6.0f} MB  page "
          f"{os.path.getsize(page) / 1e6:5.2f} MB, {lives} connections, drawn after "
          f"{first:.0f} ms, heap {heap / 1e6:.0f} MB of the process's {whole / 1e6:.0f} MB, "
          f"{later / 1e6:.0f} MB {SETTLED} s later, {talk[0]} messages, {talk[1]} requests",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", default="10,10000,2000000,10000000")
    parser.add_argument("--recording", action="append", default=[])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for path in arguments.recording:
            measure(path, folder)
        for events in [] if arguments.recording else map(int, arguments.events.split(",")):
            path = os.path.join(folder, "bench.tdw")
            record(events, path)
            measure(path, folder)
            os.remove(path)
            os.remove(path + ".ready")


if __name__ == "__main__":
    main()
