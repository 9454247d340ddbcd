#!/usr/bin/env python3
"""Measures tcpdwell with 100,000 live sockets, 10,000 of them stuck. Run it by hand, as root.

    TCPDWELL_BIN=build/tcpdwell /usr/bin/python3 tests/bench/scale.py [--sockets N] [--stuck N]

Prints one JSON line: the time of `leaks`, the time of `trace` from start to ready, the CPU share of
the idle tracer, and its memory. The sockets are in a namespace of their own.
"""
import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))

from lib.child import Child  # noqa: E402
from lib.netns import Netns, sysctl  # noqa: E402
from lib.tracer import BINARY  # noqa: E402
from stuck.fixture import LoopbackFixture  # noqa: E402

WORKERS = 10  # at least; as many as the limit of open files makes necessary
IDLE_S = 10


def work(child, netns, open_pairs, stuck):
    """`conversations` with both ends open, and servers' ends in CLOSE_WAIT."""
    fixture = LoopbackFixture(netns, 4)
    listener, kept = fixture.listen(), []
    for number in range(open_pairs + stuck):
        talk = fixture.talk(listener)
        if number >= open_pairs:
            talk.client.sock.close()
        kept.append(talk)
    child.tell(len(kept))
    child.told()


def populate(sockets, stuck, number):
    """The namespace and the processes that hold the sockets."""
    host = Netns.current()
    netns = Netns.create()
    sysctl("ipv4.tcp_max_tw_buckets", 1_000_000)
    host.enter()
    open_pairs, stuck = (sockets - stuck) // 2 // number, stuck // number
    workers = [Child(lambda child: work(child, netns, open_pairs, stuck), b"scale")
               for _ in range(number)]
    for worker in workers:
        told = worker.told()
        if told != open_pairs + stuck:
            raise SystemExit(f"a worker failed: {told}")
    return netns, workers


def count(netns, *query):
    with netns.inside():
        done = subprocess.run(["ss", "-tnH", *query], capture_output=True, check=True)
    return done.stdout.count(b"\n")


def leaks(netns):
    """(seconds, flags) of the best and the worst of three; and host-wide, as a user runs it."""
    took, found = [], 0
    for options in (["--netns", str(netns.inum)], [], []):
        begin = time.monotonic()
        done = subprocess.run([BINARY, "leaks", "--json", "--flag", "CLOSE_WAIT=1s", *options],
                              capture_output=True, check=False)
        took.append(round(time.monotonic() - begin, 3))
        if done.returncode != 1:
            raise SystemExit(f"leaks: status {done.returncode}: {done.stderr.decode()}")
        found = max(found, done.stdout.count(b'"type":"flag"'))
    begin = time.monotonic()
    subprocess.run([BINARY, "leaks", "--flag", "CLOSE_WAIT=1s"], stdout=subprocess.DEVNULL,
                   check=False)
    return {"leaks_s": took, "leaks_text_s": round(time.monotonic() - begin, 3),
            "leaks_found": found}


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        lines = dict(line.split(":", 1) for line in file)
    return {name: round(int(lines[key].split()[0]) / 1024, 1)
            for name, key in (("rss_mib", "VmRSS"), ("rss_peak_mib", "VmHWM"))}


def trace(name, *options):
    """Runs a tracer until it has been idle for a while."""
    with tempfile.TemporaryDirectory() as directory:
        ready, out = os.path.join(directory, "ready"), os.path.join(directory, "out")
        begin = time.monotonic()
        with subprocess.Popen([BINARY, "trace", "--json", "-o", out, "--ready-file", ready,
                               *options]) as tracer:
            try:
                while not os.path.exists(ready):
                    if tracer.poll() is not None:
                        raise SystemExit(f"trace ended with status {tracer.returncode}")
                    time.sleep(0.002)
                start = time.monotonic() - begin
                time.sleep(3)  # the work of the snapshot is done
                before = cpu_seconds(tracer.pid)
                time.sleep(IDLE_S)
                used = cpu_seconds(tracer.pid) - before
                result = {f"{name}_ready_s": round(start, 3),
                          f"{name}_idle_cpu_percent": round(100 * used / IDLE_S, 2),
                          **{f"{name}_{key}": value
                             for key, value in memory_mib(tracer.pid).items()}}
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.wait(timeout=60)
        with open(out, "rb") as file:
            lines = file.read().splitlines()
    end = json.loads(lines[-1])
    result |= {f"{name}_open": end["open"], f"{name}_flags": end["flags_raised"]}
    return result


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--sockets", type=int, default=100_000)
    options.add_argument("--stuck", type=int, default=10_000)
    options = options.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    workers = -(-options.sockets // (hard - 100))
    netns, workers = populate(options.sockets, options.stuck, max(workers, WORKERS))
    try:
        time.sleep(1.1)
        result = {"sockets": count(netns, "-a"), "stuck": count(netns, "state", "close-wait"),
                  "connected": count(netns, "state", "connected", "exclude", "time-wait"),
                  "cores": os.cpu_count(), **leaks(netns), **trace("default"),
                  **trace("flagged", "--flag", "CLOSE_WAIT=1s")}
        print(json.dumps(result))
    finally:
        for worker in workers:
            worker.kill()


if __name__ == "__main__":
    main()
