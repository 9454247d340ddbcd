"""Runs scenarios concurrently, each in a process and a namespace of its own.

With processes instead of threads a scenario may fork, be killed or change its name, and does not
wait for another's interpreter lock. The process stays until the end of the whole run,
to keep its namespace and thus the inode number by which its objects are found.
"""
import ctypes
import os
import pickle
import select
import signal
import time
import traceback
from dataclasses import dataclass, field

from .life import LONGEST_TIME_WAIT_S
from .patience import STALLED_S, came_true
from .fixture import Skip, Fixture

STARTS_PER_SECOND = 40  # 2 cores answer the raw peers in time; 200 interpreters at once do not
PR_SET_NAME, PR_SET_PDEATHSIG = 15, 1
SILENT_S = LONGEST_TIME_WAIT_S + STALLED_S  # the longest scenario is one of TIME_WAIT

_libc = ctypes.CDLL(None)
_kept = []  # the scenario's fixture: its sockets and namespaces live as long as its process


@dataclass
class Result:
    """The result of a scenario: the expected lives, or why it failed."""
    netns: int = 0
    since_ns: int = 0  # before that, another namespace may have had its inode number
    lives: list = field(default_factory=list)
    skipped: str = ""
    failed: str = ""


class Runner:
    def __init__(self):
        self._pids, self._waiting, self.results = {}, {}, {}
        self._hold = os.pipe()

    def run(self, scenarios):
        """Returns {name: Result} when every scenario has ended."""
        for scenario in (each for each in scenarios if not each.last):
            self._start(scenario)
            self._gather(1 / STARTS_PER_SECOND)
        for scenario in (each for each in scenarios if each.last):
            self._start(scenario)
        came_true(lambda: self._gather(1) or not self._waiting, lambda: len(self._waiting),
                  stalled_s=SILENT_S, every_s=0)
        for name in self._waiting.values():
            self.results[name] = Result(failed=f"the scenario hangs: none ended in {SILENT_S} s")
        return self.results

    def stop(self):
        """Releases the namespaces."""
        os.close(self._hold[1])
        for name in self._waiting.values():
            os.kill(self._pids[name], signal.SIGKILL)
        for pid in self._pids.values():
            _reap(pid)
        os.close(self._hold[0])

    def _start(self, scenario):
        readable, writable = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(readable)
            os.close(self._hold[1])
            for fd in self._waiting:
                os.close(fd)
            _tell(scenario, writable, self._hold[0])
        os.close(writable)
        self._pids[scenario.name] = pid
        self._waiting[readable] = scenario.name

    def _gather(self, seconds):
        end = time.monotonic() + seconds
        while True:
            left = max(0, end - time.monotonic())
            for fd in select.select(list(self._waiting), [], [], left)[0]:
                with os.fdopen(fd, "rb") as pipe:
                    data = pipe.read()
                result = pickle.loads(data) if data else Result(failed="its process died")
                self.results[self._waiting.pop(fd)] = result
            if not left or not self._waiting:
                time.sleep(left)
                return


def _tell(scenario, report, hold):
    """The main function of a scenario's process. Never returns."""
    try:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _libc.prctl(PR_SET_NAME, scenario.name[:15].encode())
        os.sched_setaffinity(0, range(os.cpu_count()))
        result = _result_of(scenario)
        with os.fdopen(report, "wb") as pipe:
            pickle.dump(result, pipe)
        os.read(hold, 1)
    finally:
        os._exit(0)


def _result_of(scenario):
    result = Result()
    try:
        fixture = Fixture(scenario.family)
        _kept.append(fixture)
        result.netns, result.since_ns, result.lives = fixture.netns.inum, fixture.since_ns, fixture.lives
        scenario.function(fixture, **scenario.details)
        fixture.finish()
    except Skip as why:
        result.skipped = str(why)
    except BaseException:
        result.failed = traceback.format_exc()
    return result


def _reap(pid):
    if not came_true(lambda: os.waitpid(pid, os.WNOHANG)[0]):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
