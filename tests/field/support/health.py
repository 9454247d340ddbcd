# SPDX-License-Identifier: Apache-2.0
"""A healthy program: nothing may be told of it, by a trace, by `leaks`, or by `run`."""

import os
import signal
import time

from lib.patience import ended, wait_for, work
from lib.run import Run
from lib.tracer import Tracer
from real.servers import commands_of
from real.witness import Witness

from support.judge import leaks, options
from support.load import WEB, Load

SECONDS = float(os.environ.get("TCPDWELL_FIELD_SECONDS", "10"))
# Far above what a healthy program needs, so that a machine that is slow does not make it late.
LOW = [f"{flag}=3s" for flag in ("CLOSE_WAIT", "FIN_WAIT_1", "FIN_WAIT_2", "LAST_ACK", "CLOSING",
                                 "SYN_SENT", "SYN_RECEIVED", "ACCEPT", "CLOSED")]


class Health:
    """`with Health(place) as health`, then runs(), load() or idle(), and verdict()."""

    def __init__(self, place):
        self.place, self._runs, self._answers = place, [], []
        self.tracer = Tracer("--netns", place.path, "--only", "flag", *options(LOW))
        self.witness = Witness(place)

    def __enter__(self):
        self.tracer.__enter__()
        self.witness.__enter__()
        return self

    def __exit__(self, *_):
        for run, _ in self._runs:
            run.__exit__()
        self.witness.__exit__()
        self.tracer.__exit__()

    def runs(self, command, ready, how_to_end=signal.SIGTERM, **popen):
        """Starts a program under `tcpdwell run`. It must end with 0 at `how_to_end`, a signal or
        None for the end of its stdin. Returns its pid."""
        # A server whose processes end with their connections is as slow at that as the machine.
        run = Run([str(part) for part in command], "--exit-grace", "1s", preexec=self.place.enter,
                  start_new_session=True, **popen).__enter__()
        self._runs.append((run, how_to_end))
        wait_for(lambda: self._is_ready(run, ready), "the program to be ready",
                 lambda: work(run.process.pid))
        return next(iter(commands_of(run)))

    @staticmethod
    def _is_ready(run, ready):
        assert run.process.poll() is None, f"{run.argv} ended: {run.stderr()}"
        return ready()

    def load(self, port, plays=WEB, families=(4, 6), seconds=None):
        """Clients of all kinds; `leaks` is asked in the middle of it."""
        with Load(self.place, port, plays, families) as load:
            self.idle(seconds)
            did = load.stop()
        print(did)
        assert all(did.get(play.__name__, 0) >= 3 for play in plays), did
        return did

    def idle(self, seconds=None):
        half = (seconds or SECONDS) / 2
        for _ in range(2):
            time.sleep(half)  # how long it is watched
            self._answers.append(leaks(self.place, thresholds=LOW))

    def verdict(self):
        """Ends the programs, the last one first."""
        done = [self._end(*each) for each in reversed(self._runs)]
        objects = self.tracer.stop()
        flags = [item for item in objects if item["type"] == "flag"]
        assert not flags, [(item, self.witness.denies(item)) for item in flags]
        assert not [item for item in objects
                    if item["type"] == "lost" and item["cause"] != "recursion"]
        for answer in self._answers:
            assert (answer.status, answer.flags) == (0, []), answer
        for argv, each in done:  # `run` has low thresholds; what is slow decides nothing
            left = [item for item in each.flags if not item["slow"]]
            assert (each.status, left) == (0, []), (argv, each)
        return objects[-1]

    @staticmethod
    def _end(run, how):
        if how is None:
            run.process.stdin.close()
        else:
            for pid in commands_of(run):
                os.kill(pid, how)
        ended(run.process)
        return run.argv, run.wait()
