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
from lib.world import Skip

from .place import NAMESPACES, Corner
from .talk import Talk

TALKERS, STORIES_AT_ONCE, STORIES_PER_SECOND = 6, 10, 4
# What these do to a namespace would end the traffic of all others, or they make one of their own.
LEFT_OUT = ("long_fin_timeout", "no_packet_no_connection", "reused_by_connect", "namespace_is",
            "syn_cookies", "multipath")


def stories():
    return [each for name, each in sorted(REGISTRY.items())
            if not each.last and not name.startswith(LEFT_OUT)]


class Talkers:
    """Threads with sockets, in a process of their own."""

    def __init__(self, place, seed):
        self._place, self._seed, self._told, self._made = place, seed, [], Counter()
        self._over = threading.Event()
        self._child = Child(self._talk)

    def end(self):
        """What they told, and how many of which kind there were. They have closed everything."""
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
        talk = Talk(self._place, random.Random(f"{self._seed} {number}"), self._told.append)
        while not self._over.is_set():
            self._made[talk.one()] += 1
        talk.end()


class Storytellers:
    """Stories of the scenarios, a process each. Whether one is told well is not asked here: what the
    kernel did is what counts."""

    def __init__(self, place, seed):
        self._place, self._rng = place, random.Random(f"{seed} stories")
        self._running, self._number, self._next = {}, 0, time.monotonic()
        self.names = {}  # by the number in their addresses

    def step(self):
        self._reap()
        while len(self._running) < STORIES_AT_ONCE and time.monotonic() > self._next:
            self._next = max(self._next, time.monotonic() - 1) + 1 / STORIES_PER_SECOND
            self._begin(self._rng.choice(stories()))

    def _begin(self, story):
        number, (here, there) = self._number, self._rng.sample(range(NAMESPACES), 2)
        self._number += 1
        self.names[number] = story.name
        self._running[number] = Child(lambda _: self._tell(story, number, here, there),
                                      story.name[:15].encode())

    def _tell(self, story, number, here, there):
        os.sched_setaffinity(0, range(os.cpu_count()))
        corner = Corner(self._place, story.family, here, there, number)
        try:
            story.story(corner, **story.details)
            corner.finish()
        except Skip:
            pass
        finally:
            corner.leave()

    def _reap(self):
        for number, child in list(self._running.items()):
            if os.waitpid(child.pid, os.WNOHANG)[0]:
                child.channel.close()
                del self._running[number]

    def end(self):
        """Those that are still being told are left waiting: SIGKILL ends their sockets, too, so it
        comes when nobody counts any more."""
        for child in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                child.kill()
