"""Waits continue with progress, and fail without. Needs no tracer."""
import itertools
import os
import subprocess
import sys

import pytest

from lib import patience
from lib.child import Child

SOON_S = 0.1


def test_waits_while_there_is_progress():
    """Ten times as long as it may stand still."""
    looks = itertools.count()
    began = patience.time.monotonic()
    assert patience.came_true(lambda: patience.time.monotonic() > began + 10 * SOON_S,
                              lambda: next(looks), SOON_S)


def test_gives_up_without_progress():
    assert not patience.came_true(lambda: False, stalled_s=SOON_S)
    with pytest.raises(patience.Stalled, match="a miracle"):
        patience.wait_for(lambda: False, "a miracle", stalled_s=SOON_S)


def test_a_machine_that_stood_still_gets_its_looks(monkeypatch):
    """All the time has passed at the first look already."""
    clock = itertools.count(0, 1000)
    monkeypatch.setattr(patience.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(patience, "HOPELESS_S", 1e9)
    looks = itertools.count(1)
    assert patience.came_true(lambda: next(looks) == patience.LEAST_LOOKS, every_s=0)


def test_children_count():
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"done\n"
        assert patience.cpu_ticks(process.pid) >= 25
        process.stdin.close()
        patience.ended(process)


def test_a_program_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(patience, "STALLED_S", SOON_S)
    with pytest.raises(patience.Stalled):
        patience.run(["sleep", "1000"])


def test_all_of_stdin_is_given_to_one_that_is_slow():
    slow = "import sys, time\ntime.sleep(0.5)\nprint(len(sys.stdin.buffer.read()))"
    with subprocess.Popen([sys.executable, "-c", slow], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        assert patience.communicate(process, bytes(1 << 20))[0] == b"1048576\n"


def test_a_program_does_not_outlive_the_test_that_started_it():
    """Also after SIGKILL, which leaves no time to clean up."""
    def job(child):
        child.tell(patience.start(["sleep", "1000"]).pid)
        child.told()
    child = Child(job)
    pid = child.told()
    child.kill()
    patience.wait_for(lambda: not os.path.exists(f"/proc/{pid}"), "the end of its program")
