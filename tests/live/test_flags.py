"""Sockets that are stuck: flagged while they are, with the cause, the bytes and all holders.

Two tracers observe every scenario: one that saw its sockets being made, and one that
started after that. Both are in the first of two namespaces.
"""
import collections

import pytest

from lib import ss
from lib.clock import MS
from lib.netns import Netns
from lib.tracer import Tracer
from stuck.actors import Actors
from stuck.causes import CAUSES
from stuck.holders import HOLDERS
from stuck.expectations import FlagExpectations

OWN, OTHER = "own", "other"  # the tracer's own network namespace, and another one
TRACED, OLDER = "traced", "older"  # made while tracing, or before
THRESHOLDS = ("--flag", "CLOSE_WAIT=1s", "--flag", "FIN_WAIT_2=1s", "--flag", "ACCEPT=1s")
SCENARIOS = {f"{scenario.__name__}-ipv{family}-{namespace}": (scenario, namespace, family)
           for scenario in CAUSES + HOLDERS for family in (4, 6) for namespace in (OWN, OTHER)}


def two_namespaces():
    host = Netns.current()
    namespaces = {OWN: Netns.create(), OTHER: Netns.create()}
    host.enter()
    host.close()
    return namespaces


def flags(objects, *events):
    return [item for item in objects if item["type"] == "flag" and item["event"] in events]


def patient(tracer, wanted, event):
    """Waits until each socket was reported. A missing one fails in its own test."""
    def missing(objects):
        return wanted - {(item["netns"], item["cookie"]) for item in flags(objects, event)}

    tracer.came_true(lambda objects: not missing(objects), {inum for inum, _ in wanted})


class Run:
    def __init__(self, names):
        self.namespaces, self.actors, self.objects = two_namespaces(), Actors(), {}
        inside = self.namespaces[OWN].enter
        try:
            with Tracer(*THRESHOLDS, preexec=inside) as first:
                for name in names:
                    scenario, namespace, family = SCENARIOS[name]
                    self.actors.add(name, scenario, self.namespaces[namespace], family)
                self.actors.set_up()
                with Tracer(*THRESHOLDS, preexec=inside) as second:
                    self._watch({TRACED: first, OLDER: second})
        finally:
            self.actors.stop()
        self.inums = {namespace.inum for namespace in self.namespaces.values()}
        for namespace in self.namespaces.values():
            namespace.close()

    def _watch(self, tracers):
        wanted = {(stuck.netns, stuck.cookie)
                  for each in self.actors.stuck.values() for stuck in each}
        for tracer in tracers.values():
            patient(tracer, wanted, "raised")
        self.rows = {(namespace.inum, row.cookie): row
                     for namespace in self.namespaces.values() for row in ss.rows(namespace)}
        self.actors.release()
        for tracer in tracers.values():
            patient(tracer, wanted, "cleared")
        self.objects = {age: tracer.stop() for age, tracer in tracers.items()}

    def expectations(self, name, age):
        objects = self.objects[age]
        return [FlagExpectations(stuck, objects, self.rows.get((stuck.netns, stuck.cookie)), objects[0],
                        older=age == OLDER) for stuck in self.actors.stuck[name]]


@pytest.fixture(scope="module")
def run(request):
    """Runs only the scenarios that were selected on the command line."""
    wanted = {item.callspec.params["name"] for item in request.session.items
              if "name" in getattr(getattr(item, "callspec", None), "params", ())
              and item.callspec.params["name"] in SCENARIOS}
    return Run(wanted or set(SCENARIOS))


@pytest.mark.parametrize("age", [TRACED, OLDER])
@pytest.mark.parametrize("name", SCENARIOS)
def test_stuck(run, name, age, hidden):
    assert name not in run.actors.failed, run.actors.failed[name]
    hidden.ports({end[1] for stuck in run.actors.stuck[name] for end in (stuck.local, stuck.remote)})
    expectations = run.expectations(name, age)
    for each in expectations:
        if each.delay is not None:
            print(f"{each.stuck}: raised {each.delay / MS:.1f} ms after its threshold")
    wrong = [each.explain() for each in expectations if each.problems]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.hidden_events
@pytest.mark.parametrize("age", [TRACED, OLDER])
def test_nothing_else_is_flagged(run, age):
    """In these namespaces: each socket once, and no other.

    While a scenario ends, one of its sockets can be over before its descriptor is closed: then CLOSED is raised
    at once, because another flag stood. So is CLOSE_WAIT between accept() and close().
    """
    promised = collections.Counter((stuck.netns, stuck.cookie, stuck.flag)
                                   for each in run.actors.stuck.values() for stuck in each)
    follows = {(netns, cookie, after) for netns, cookie, flag in promised
               for after in ("CLOSED", *(("CLOSE_WAIT",) if flag == "ACCEPT" else ())) if flag != "CLOSED"}
    for event in ("raised", "cleared"):
        items = [item for item in flags(run.objects[age], event) if item["netns"] in run.inums
                 and (item["netns"], item["cookie"], item["flag"]) not in follows - set(promised)]
        got = collections.Counter((item["netns"], item["cookie"] or "", item["flag"]) for item in items)
        others = [item for item in items if (got - promised)[item["netns"], item["cookie"] or "", item["flag"]]]
        assert got == promised, f"{event}: missing {list(promised - got)}, other ones {others}"


@pytest.mark.parametrize("age", [TRACED, OLDER])
def test_end_counts_them(run, age):
    objects = run.objects[age]
    raised, cleared = (len(flags(objects, event)) for event in ("raised", "cleared"))
    end = objects[-1]
    assert (end["flags_raised"], end["flags_open"]) == (raised, raised - cleared)
    assert objects[0]["thresholds_ns"] == {"CLOSE_WAIT": 10**9, "FIN_WAIT_2": 10**9,
                                           "ACCEPT": 10**9, "CLOSED": 60 * 10**9}


def test_how_late(run):
    """Prints the delays with -s; a noisy machine does not affect the median."""
    late = sorted(each.delay for name in run.actors.stuck for each in run.expectations(name, TRACED)
                  if each.delay is not None)
    assert late
    print(f"\nraised after the threshold: median {late[len(late) // 2] / MS:.1f} ms, "
          f"p90 {late[len(late) * 9 // 10] / MS:.1f} ms, most {late[-1] / MS:.1f} ms")
    assert late[len(late) // 2] <= 500 * MS
