"""Runs scenarios under one tcpdwell, and checks its output about each."""
import collections
import time
from dataclasses import dataclass, field

import scenarios  # noqa: F401

from .clock import SECOND, now
from .life import LONGEST_TIME_WAIT_S, TIMES_OUT_OF_TIME_WAIT, Who
from .lifecycle import Check, assign, explain, group_by_connection
from .runner import Runner
from .scenario import REGISTRY
from .tracer import Tracer


@dataclass
class Outcome:
    """The output about one scenario."""
    told: list = field(default_factory=list)  # (life, its objects, the problems)
    unmade: list = field(default_factory=list)  # the objects of an unexpected connection
    failed: str = ""  # why the scenario itself failed

    def held_by_walk(self):
        """A socket ended when a walk of the tracer let go of it: then nobody is its closer."""
        return any(isinstance(life.closer, Who) and item["type"] == "connection" and item["closer"] is None
                   for life, objects, _ in self.told for item in objects)

    def __str__(self):
        """The problems, in words; empty if there are none."""
        if self.failed:
            return f"the scenario itself failed:\n{self.failed}"
        return "\n".join(
            [explain(life, objects, wrong) for life, objects, wrong in self.told if wrong] +
            [explain("a connection that nobody made", objects, ["it is reported"])
             for objects in self.unmade])


class ScenarioRun:
    """The expected lives of some scenarios, the output of tcpdwell, and the differences."""

    def __init__(self, names):
        runner = Runner()
        with Tracer() as tracer:
            try:
                self.results = runner.run([REGISTRY[name] for name in names])
                self._wait(tracer)
                self.objects = tracer.stop()
            finally:
                runner.stop()
        self.by_netns = collections.defaultdict(list)
        for item in self.objects:
            self.by_netns[item.get("netns")].append(item)
        self.outcomes = {name: self._compare(self.results[name]) for name in names}
        self.failures = {name: str(each) for name, each in self.outcomes.items()}

    def _wait(self, tracer):
        """Waits for all expected connection objects, or until the last one can no longer come."""
        lives = [life for result in self.results.values() if not result.skipped
                 for life in result.lives]
        promised = collections.Counter(life.netns for life in lives)
        end = max([now(), *map(_end_of, lives)])

        def complete(objects):
            there = collections.Counter(item["netns"] for item in objects
                                        if item["type"] == "connection")
            return all(there[netns] >= number for netns, number in promised.items())

        while now() < end and not tracer.has(complete):
            time.sleep(0.1)
        tracer.came_true(complete, promised)

    def _compare(self, result):
        judgement, unclaimed = Outcome(failed=result.failed), {}
        for netns in {life.netns for life in result.lives if not result.skipped}:
            lives = [life for life in result.lives if life.netns == netns]
            groups = group_by_connection(self.by_netns[netns], netns, result.since_ns)
            pairs, left = assign(lives, groups)
            if not lives[0].last_of_netns:
                unclaimed.update(left)
            judgement.told += [(life, objects, Check(life, objects, self.objects[0]).problems)
                               for life, objects in pairs]
        judgement.unmade = list(unclaimed.values())
        return judgement


def _end_of(life):
    """The latest moment at which a connection can end."""
    at = life.steps[-1].at if life.steps else None
    if at == TIMES_OUT_OF_TIME_WAIT:
        return life.last_arm.hi + LONGEST_TIME_WAIT_S * SECOND
    return at.hi if at else now()
