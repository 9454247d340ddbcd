"""The processes that make the traffic."""
import contextlib
import os
import pickle
import random
import threading
import time
from collections import Counter

import scenarios  # noqa: F401
from lib.child import Child
from lib.scenario import REGISTRY
from lib.fixture import Skip

from .network import NAMESPACES, ScenarioFixture
from .talk import Talk

TALKERS, SCENARIOS_AT_ONCE, SCENARIOS_PER_SECOND = 6, 10, 4
# These would end the traffic of all others in their namespace, or make a namespace of their own.
LEFT_OUT = ("long_fin_timeout", "no_packet_no_connection", "reused_by_connect", "namespace_is",
            "syn_cookies", "multipath")


def usable_scenarios():
    return [each for name, each in sorted(REGISTRY.items())
            if not each.last and not name.startswith(LEFT_OUT)]


class Talkers:
    """Threads with sockets, in a process of their own."""

    def __init__(self, network, seed):
        self._network, self._seed, self._told, self._made = network, seed, [], Counter()
        self._over = threading.Event()
        self._child = Child(self._talk)

    def end(self):
        """The records of the threads, and the number of conversations of each kind. All are closed."""
        self._child.tell("end")
        path = self._child.result()
        with open(path, "rb") as file:
            told = pickle.load(file)
        os.unlink(path)
        return told

    def _talk(self, child):
        threads = [threading.Thread(target=self._one, args=(number,)) for number in range(TALKERS)]
        for thread in threads:
            thread.start()
        child.told()
        self._over.set()
        for thread in threads:
            thread.join()
        path = f"/tmp/tcpdwell-talkers-{os.getpid()}"
        with open(path, "xb") as file:
            pickle.dump((self._told, self._made), file)
        return path

    def _one(self, number):
        talk = Talk(self._network, random.Random(f"{self._seed} {number}"), self._told.append)
        while not self._over.is_set():
            self._made[talk.one()] += 1
        talk.end()


class ScenarioRunners:
    """Scenarios, each in a process of its own. Their own checks do not matter here: only what the
    kernel did counts."""

    def __init__(self, network, seed):
        self._network, self._rng = network, random.Random(f"{seed} scenarios")
        # From 1 on, since the kernel writes fd09:0::1 as fd09::1.
        self._running, self._number, self._next = {}, 1, time.monotonic()
        self.names = {}  # by the number in their addresses

    def step(self):
        self._reap()
        while len(self._running) < SCENARIOS_AT_ONCE and time.monotonic() > self._next:
            self._next = max(self._next, time.monotonic() - 1) + 1 / SCENARIOS_PER_SECOND
            self._begin(self._rng.choice(usable_scenarios()))

    def _begin(self, scenario):
        number, (here, there) = self._number, self._rng.sample(range(NAMESPACES), 2)
        self._number += 1
        self.names[number] = scenario.name
        self._running[number] = Child(lambda _: self._play(scenario, number, here, there),
                                      scenario.name[:15].encode())

    def _play(self, scenario, number, here, there):
        os.sched_setaffinity(0, range(os.cpu_count()))
        fixture = ScenarioFixture(self._network, scenario.family, here, there, number)
        try:
            scenario.function(fixture, **scenario.details)
            fixture.finish()
        except Skip:
            pass
        finally:
            fixture.leave()

    def _reap(self):
        for number, child in list(self._running.items()):
            if os.waitpid(child.pid, os.WNOHANG)[0]:
                child.channel.close()
                del self._running[number]

    def end(self):
        """Kills the scenarios that still run. SIGKILL ends their sockets, too: call it after the counters
        were read."""
        for child in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                child.kill()
