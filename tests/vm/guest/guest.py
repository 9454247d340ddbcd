"""Runs in the guest: the live tests that it was ordered to run, and says on the console how each
went. A line of its own, with a mark that nothing else prints, is one JSON object for the host.
"""
import gc
import glob
import json
import os
import sys
import time

import pytest

MARK = "\x1etcpdwell "
LONGEST_PRINT = 2000
BINARY, KEPT = "/usr/bin/tcpdwell", "/run/kept"


CONSOLE = os.dup(1)
sys.path.insert(0, os.getcwd())  # of the live tests, for tests that are beside this file


def tell(**what):
    """In one go: what the kernel says between two writes would tear the line apart."""
    os.write(CONSOLE, f"\n{MARK}{json.dumps(what)}\n".encode())


class Reporter:
    """A pytest plugin: each test's outcome as soon as it is known."""

    def __init__(self):
        self.told = 0

    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.outcome != "passed":
            why = report.longrepr[2] if isinstance(report.longrepr, tuple) else \
                str(report.longrepr or "")
            self.told += 1
            tell(test=report.nodeid, outcome=report.outcome, why=why,
                 printed=report.capstdout[:LONGEST_PRINT])

    def pytest_collection_finish(self):
        """What is there now stays; the tests fork, and a collector that looks at it copies it."""
        gc.collect()
        gc.freeze()

    def pytest_collectreport(self, report):
        if report.failed:
            self.told += 1
            tell(test=report.nodeid, outcome="failed", why=str(report.longrepr))

    def pytest_warning_recorded(self, warning_message, nodeid):
        tell(warning=nodeid, why=str(warning_message.message))


def seen():
    """What the tracers of the tests said of themselves, and how exact they were."""
    starts, errors, lengths = [], {}, []
    for path in glob.glob(f"{KEPT}/*/out"):
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith('{"type":"start"'):
                    starts.append(json.loads(line))
                elif line.startswith('{"type":"transition"'):
                    item = json.loads(line)
                    if item["error_ns"]:
                        errors.setdefault(item["from"], []).append(item["error_ns"])
                    if item["from"] == "TIME_WAIT" and item["why"] == "expired" and not item["error_ns"]:
                        lengths.append(item["dwell_ns"])
    traces = [start for start in starts if start["sees"]["time_wait"] != "no"]
    sees = {}
    for start in traces:
        for what, how in start["sees"].items():
            sees.setdefault(what, set()).add(how)
    return {"hz": traces[0]["hz"] if traces else None,
            "sees": {what: sorted(how) for what, how in sees.items()},
            "errors_ns": {state: max(list) for state, list in errors.items()},
            "time_waits_ns": [min(lengths), max(lengths), len(lengths)] if lengths else None}


def main():
    with open("/orders.json", encoding="utf-8") as file:
        orders = json.load(file)
    os.environ.update({"TCPDWELL_BIN": BINARY, "TCPDWELL_CHURN": "/usr/bin/churn",
                       "TCPDWELL_KEEP": KEPT, "TCPDWELL_WITNESS": "0", **orders["environment"]})
    os.makedirs(KEPT)
    began, reporter = time.monotonic(), Reporter()
    tell(kernel=os.uname().release, cpus=os.cpu_count())
    with open("/tmp/pytest", "w", encoding="utf-8") as file:  # the console is for what we tell
        os.dup2(file.fileno(), 1)
    status = pytest.main(["-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=short",
                          "-W", "ignore::pytest.PytestUnknownMarkWarning",
                          *orders["tests"]], plugins=[reporter])
    tell(status=int(status), told=reporter.told, seen=seen(),
         guest_seconds=round(time.monotonic() - began, 1))


main()
