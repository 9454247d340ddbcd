#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What --where costs: `where.py [--rounds N] [--seconds S]`, as root, prints tables for docs/where.md.

Interleaves rounds without a tracer, with `trace`, and with `trace --where`:
  flat out   churn on one CPU, the tracer on another: CPU time of the load per connection, CPU time and
             memory of the tracer with its child, stacks read and over the budget
  in budget  some connections at a time, of churn and of a Python program, so that every stack is read:
             time of the BPF programs of --where per connection, as the kernel counts it
"""
import argparse
import contextlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from measure import load, system, tracers  # noqa: E402
from measure.builds import BINARY, File  # noqa: E402

PROGRAMS = {"on_connect": "connect", "on_accept_function": "accept", "on_accept_exit": "accept",
            "on_accept4_exit": "accept", "on_receive": "receive"}
AT_A_TIME, PAUSE_S, TIMES = 25, 0.15, 40
PYTHON = f"""\
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
def connection():
    with socket.create_connection(listener.getsockname()) as made:
        listener.accept()[0].close()
        made.recv(1)
connection()
time.sleep(2)  # until the tracer knows that it is Python
print("ready", flush=True)
input()
for _ in range({TIMES}):
    for _ in range({AT_A_TIME}):
        connection()
    time.sleep({PAUSE_S})
"""


class Trace(File):
    name, binary = "trace", BINARY


class Where(Trace):
    name, options = "trace --where", ("--where",)


def family(pid):
    """The tracer, and the child that unwinds."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        found = [pid, *map(int, file.read().split())]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            found += map(int, file.read().split())
    return set(found)


def cpu_s(pid):
    return sum(system.cpu_seconds(each) for each in family(pid))


def memory_mib(pid):
    """Each page once, though the child shares pages with the tracer."""
    total = 0
    for each in family(pid):
        with open(f"/proc/{each}/smaps_rollup", encoding="ascii") as file:
            total += int(re.search(r"Pss:\s+(\d+)", file.read()).group(1))
    return total / 1024


def bpf_ns():
    """Of the programs of --where, by what they see, since they were loaded."""
    said = json.loads(subprocess.run(["bpftool", "prog", "show", "-j"], capture_output=True, check=True).stdout)
    total = {}
    for program in said:
        kind = PROGRAMS.get(program.get("name"))
        if kind:
            total[kind] = total.get(kind, 0) + program.get("run_time_ns", 0)
    return total


@contextlib.contextmanager
def counting_bpf_time():
    path = "/proc/sys/kernel/bpf_stats_enabled"
    with open(path, encoding="ascii") as file:
        before = file.read()
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write("1")
        yield
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write(before)


def flat_out(tool, cpus, seconds):
    with load.space() as netns:
        if tool is None:
            made = load.churn(netns, cpus[:1], seconds)
            return {"load_us": 1e6 * (made["cpu_s"] + made["softirq_s"]) / made["connections"]}
        with tool(netns, cpus[-1]) as tracer:
            tracer.wait_ready()
            tracer.wait_idle()
            before, began = cpu_s(tracer.process.pid), time.monotonic()
            made = load.churn(netns, cpus[:1], seconds)
            tracer.wait_idle()
            took, pid = time.monotonic() - began, tracer.process.pid
            said = {"load_us": 1e6 * (made["cpu_s"] + made["softirq_s"]) / made["connections"],
                    "rate": made["connections"] / made["seconds"],
                    "cpu_percent": 100 * (cpu_s(pid) - before) / made["seconds"],
                    "memory": memory_mib(pid), "took": took}
            tracer.stop()
            lost = re.search(r"--where: (\S+) stacks? not read", tracer.said_on_stderr())
            said["over_budget"] = int(re.sub(r"\D", "", lost.group(1))) if lost else 0
            return said


def in_budget(play):
    """Nanoseconds per connection."""
    with load.space() as netns, Where(netns) as tracer:
        tracer.wait_ready()
        before, connections = None, 0
        for connections in play(netns):
            before = before or bpf_ns()
        after = bpf_ns()
        tracer.stop()
        if "not read, because" in tracer.said_on_stderr():
            raise load.Failed("stacks were over the budget")
        return {kind: (after[kind] - before[kind]) / connections for kind in after}


def play_churn(netns):
    """Yields 0 before the first connection, then how many were made."""
    yield 0
    for _ in range(TIMES):
        load.churn(netns, [0], connections=AT_A_TIME)
        time.sleep(PAUSE_S)
    yield AT_A_TIME * TIMES


def play_python(netns):
    with netns.inside():
        process = subprocess.Popen([sys.executable, "-c", PYTHON], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, preexec_fn=system.dies_with_us)
    try:
        process.stdout.readline()
        yield 0
        process.communicate(b"\n")
        yield AT_A_TIME * TIMES
    finally:
        load.end(process)


def median(rows, name, form="{:.1f}"):
    return form.format(statistics.median(row[name] for row in rows)) if name in rows[0] else ""


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=3)
    options = options.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    print(f"{platform.release()}, {len(cpus)} CPUs, medians of {options.rounds} rounds\n")
    rows = {None: [], Trace: [], Where: []}
    for _ in range(options.rounds):
        for tool, done in rows.items():
            load.settle(cpus, 3)
            done.append(flat_out(tool, cpus, options.seconds))
    print("| flat out | connections/s | load, µs per connection | tracer, % of a CPU | MiB | stacks over budget |")
    print("|---|---|---|---|---|---|")
    for tool, done in rows.items():
        print(f"| {tool.name if tool else 'no tracer'} | {median(done, 'rate', '{:,.0f}')} | "
              f"{median(done, 'load_us')} | {median(done, 'cpu_percent', '{:.0f}')} | "
              f"{median(done, 'memory', '{:.0f}')} | {median(done, 'over_budget', '{:,.0f}')} |")
    print("\n| in budget, ns per connection | connect | accept | receive |\n|---|---|---|---|")
    with counting_bpf_time():
        for name, play in (("a C++ program", play_churn), ("a Python program", play_python)):
            done = [in_budget(play) for _ in range(options.rounds)]
            print(f"| {name} | " + " | ".join(median(done, kind, "{:,.0f}")
                                              for kind in ("connect", "accept", "receive")) + " |")


if __name__ == "__main__":
    tracers.PATIENCE_S = 60
    main()
