"""Waiting. A wait fails after a minute without progress, not because it takes long.

The time of a fork, a page fault or a walk depends on the machine. A wait continues while it sees
progress: new objects, CPU time of a process, a growing file.
"""
import contextlib
import ctypes
import os
import select
import signal
import subprocess
import threading
import time

STALLED_S = 60  # without any progress: a hang
HOPELESS_S = 600  # with progress, but without an end: also a hang
LEAST_LOOKS = 20  # polls without progress: time also passes on a suspended machine
LOOK_S = 0.02
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None)


class Stalled(AssertionError):
    """There was no progress for too long."""


def came_true(condition, progress=lambda: None, stalled_s=None, every_s=LOOK_S):
    """Polls until `condition()` is true and returns its value, or a false one where `progress()`,
    any value, has not changed for `stalled_s`."""
    stalled_s = STALLED_S if stalled_s is None else stalled_s
    began = moved = time.monotonic()
    last, looks = progress(), 0
    while True:
        value = condition()
        looked = time.monotonic()
        looks += 1
        stalled = looked > moved + stalled_s and looks >= LEAST_LOOKS
        if value or stalled or looked > began + max(HOPELESS_S, stalled_s):
            return value
        time.sleep(every_s)
        current = progress()
        if current != last:
            last, moved, looks = current, time.monotonic(), 0


def wait_for(condition, what, progress=lambda: None, stalled_s=None, every_s=LOOK_S):
    """Polls until `condition()` is true and returns its value."""
    value = came_true(condition, progress, stalled_s, every_s)
    if not value:
        raise Stalled(f"waited for {what}, and nothing has moved for "
                      f"{STALLED_S if stalled_s is None else stalled_s} s")
    return value


def bound(preexec=None):
    """For Popen's preexec_fn: the process is killed when the thread that made it ends. Otherwise a killed
    test would leave a tracer behind that writes for ever."""
    parent = os.getpid()

    def preexec_of_bound():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        if preexec:
            preexec()
    return preexec_of_bound


def start(argv, preexec_fn=None, **options):
    """As subprocess.Popen(), for a program that does not outlive us."""
    return subprocess.Popen(argv, preexec_fn=bound(preexec_fn), **options)


def children(pid):
    """Of all its threads."""
    pids = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
            pids += map(int, file.read().split())
    return pids


def cpu_ticks(pid):
    """The CPU time of a process and its descendants; lower once one of them has ended."""
    ticks, pids = 0, [pid]
    while pids:
        pid = pids.pop()
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:15]))
            pids += children(pid)
    return ticks


def work(pid):
    """Its CPU time in whole seconds. A waiting process uses less than one in a minute."""
    return cpu_ticks(pid) // os.sysconf("SC_CLK_TCK")


def ended(process):
    """Waits until a Popen ends by itself; its exit status."""
    wait_for(lambda: process.poll() is not None, f"the end of process {process.pid}",
             lambda: work(process.pid))
    return process.returncode


def communicate(process, data=None):
    """As Popen.communicate()."""
    told = []
    stdin, process.stdin = process.stdin, None  # a second communicate() would drop the rest of it
    if stdin:
        threading.Thread(target=_feed, args=(stdin, data), daemon=True).start()

    def is_told():
        try:
            told[:] = process.communicate(timeout=0.1)
        except subprocess.TimeoutExpired:
            return False
        return True

    wait_for(is_told, f"the end of process {process.pid}", lambda: work(process.pid), every_s=0)
    return tuple(told)


def _feed(stdin, data):
    with contextlib.suppress(BrokenPipeError), stdin:
        stdin.write(data or b"")


def run(argv, **options):
    """As subprocess.run() with captured output, for a program that ends by itself."""
    with start(argv, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
                        "stdin": subprocess.DEVNULL, **options}) as process:
        try:
            stdout, stderr = communicate(process)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)


def readable(file, what):
    """Waits for data, a connection to accept, or an end of stream."""
    assert select.select([file], [], [], STALLED_S)[0], f"{what}: nothing came for {STALLED_S} s"
