#!/usr/bin/python3
"""The forecast of ports against truth: `ports.py [TCPDWELL]`, as root, prints a table for docs/.

1 to 10 connections a second to one destination, the client closes first, 200 ports; with and without
tcp_tw_reuse, over loopback and not. Each case has a network namespace and a thread of its own, one
tracer sees them all: what `stats` said after 30 s, and whether a connect() failed within 150 s.
"""
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))
from lib.netns import Netns, sysctl  # noqa: E402  pylint: disable=wrong-import-position

SAID_AFTER, ENDS_AFTER = 30, 150  # seconds
PORTS = 200
KINDS = (("0", 0, "127.0.0.1"), ("1", 1, "127.0.0.1"), ("2", 2, "127.0.0.1"),
         ("2, not loopback", 2, "10.77.0.1"))
RATES = range(1, 11)


class Case:
    """One client in a namespace of its own, in a thread of its own."""

    def __init__(self, rate, kind):
        self.rate, (self.kind, self.reuse, self.address) = rate, kind
        self.failed_at, self.done, self.inum = None, 0, 0
        self.prepared = threading.Event()
        self.thread = threading.Thread(target=self.play)

    def prepare(self):
        netns = Netns.create()
        self.inum = netns.inum
        if not self.address.startswith("127."):
            subprocess.run(["ip", "address", "add", self.address, "dev", "lo"], check=True)
        sysctl("ipv4.ip_local_port_range", f"40000 {40000 + PORTS - 1}")
        sysctl("ipv4.tcp_tw_reuse", self.reuse)
        return socket.create_server((self.address, 7000), backlog=100)

    def play(self):
        listener = self.prepare()
        self.prepared.set()
        BEGIN.wait()
        for number in range(self.rate * ENDS_AFTER):
            # Clients do not close at the same time.
            due = START[0] + (number + self.rate / 11) / self.rate
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                client = socket.create_connection(listener.getsockname())
            except OSError:
                self.failed_at = self.failed_at or time.monotonic() - START[0]
                continue
            server, _ = listener.accept()
            client.close()
            server.recv(1)
            server.close()
            self.done += 1


BEGIN, START = threading.Event(), [0.0]


def what_it_said(use):
    if use is None:
        return "nothing"
    if use["forecast"] in ("runs_out", "full", "exhausted"):
        return f"exhausted in {use['exhausted_in_ns'] / 1e9:.0f} s"
    level = use["levels_off_at"]
    return use["forecast"].replace("_", " ") + (f" {level}" if level is not None else "")


def is_true(use, case):
    """None: there was no forecast."""
    if use is None or use["forecast"] in ("unknown", "near_limit", "grows"):
        return None
    foretold = use["exhausted_in_ns"] is not None
    return foretold == (case.failed_at is not None)


def main():
    binary = sys.argv[1] if len(sys.argv) > 1 else "build/tcpdwell"
    cases = [Case(rate, kind) for kind in KINDS for rate in RATES]
    for case in cases:
        case.thread.start()
        case.prepared.wait()
    with tempfile.TemporaryDirectory() as directory:
        output, ready = os.path.join(directory, "out"), os.path.join(directory, "ready")
        with subprocess.Popen([binary, "stats", "5", "--json", "--rows", "1000", "-o", output,
                               "--ready-file", ready]) as tracer:
            while not os.path.exists(ready):
                time.sleep(0.1)
            START[0] = time.monotonic()
            BEGIN.set()
            for case in cases:
                case.thread.join()
            tracer.send_signal(2)
        with open(output, encoding="utf-8") as file:
            stats = [each for each in map(json.loads, file) if each["type"] == "stats"]
    said = next(each for each in stats if each["mono_ns"] / 1e9 >= START[0] + SAID_AFTER)
    uses = {use["netns"]: use for use in said["ports"] if use["remote"]["port"] == 7000}
    print(f"{os.cpu_count()} CPUs, Linux {platform.release()}, {time.strftime('%Y-%m-%d')}\n")
    print("| a second | tcp_tw_reuse | it said after 30 s | the first connect() failed | |")
    print("|---|---|---|---|---|")
    wrong = 0
    for case in cases:
        use = uses.get(case.inum)
        happened = "never" if case.failed_at is None else f"after {case.failed_at:.0f} s"
        truth = is_true(use, case)
        wrong += truth is False
        word = {True: "true", False: "FALSE", None: "open"}[truth]
        print(f"| {case.rate} | {case.kind} | {what_it_said(use)} | {happened} | {word} |")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
