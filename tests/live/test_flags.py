"""Sockets that are stuck: flagged while they are, with the cause, the bytes and all holders.

Every story is watched by two tracers at once: one that saw its sockets being made, and one that
is younger than all of them. Both sit in the first of two namespaces.
"""
import pytest

from lib import ss
from lib.clock import MS
from lib.netns import Netns
from lib.tracer import Tracer
from stuck.cast import Cast
from stuck.causes import CAUSES
from stuck.holders import HOLDERS
from stuck.verdict import Verdict

OWN, OTHER = "own", "other"  # the tracer's own network namespace, and another one
TRACED, OLDER = "traced", "older"  # made while tracing, or before
THRESHOLDS = ("--flag", "CLOSE_WAIT=1s", "--flag", "FIN_WAIT_2=1s", "--flag", "ACCEPT=1s")
STORIES = {f"{story.__name__}-ipv{family}-{place}": (story, place, family)
           for story in CAUSES + HOLDERS for family in (4, 6) for place in (OWN, OTHER)}


def two_namespaces():
    host = Netns.current()
    places = {OWN: Netns.create(), OTHER: Netns.create()}
    host.enter()
    host.close()
    return places


def flags(objects, *events):
    return [item for item in objects if item["type"] == "flag" and item["event"] in events]


def patient(tracer, wanted, event):
    """Waits until each socket was reported. Who was not is the business of its own test."""
    def missing(objects):
        return wanted - {(item["netns"], item["cookie"]) for item in flags(objects, event)}

    tracer.came_true(lambda objects: not missing(objects), {inum for inum, _ in wanted})


class Run:
    def __init__(self, names):
        self.places, self.cast, self.objects = two_namespaces(), Cast(), {}
        inside = self.places[OWN].enter
        try:
            with Tracer(*THRESHOLDS, preexec=inside) as first:
                for name in names:
                    story, place, family = STORIES[name]
                    self.cast.add(name, story, self.places[place], family)
                self.cast.set_up()
                with Tracer(*THRESHOLDS, preexec=inside) as second:
                    self._watch({TRACED: first, OLDER: second})
        finally:
            self.cast.stop()
        self.inums = {place.inum for place in self.places.values()}
        for place in self.places.values():
            place.close()

    def _watch(self, tracers):
        wanted = {(stuck.netns, stuck.cookie)
                  for each in self.cast.stuck.values() for stuck in each}
        for tracer in tracers.values():
            patient(tracer, wanted, "raised")
        self.rows = {(place.inum, row.cookie): row
                     for place in self.places.values() for row in ss.rows(place)}
        self.cast.release()
        for tracer in tracers.values():
            patient(tracer, wanted, "cleared")
        self.objects = {age: tracer.stop() for age, tracer in tracers.items()}

    def verdicts(self, name, age):
        objects = self.objects[age]
        return [Verdict(stuck, objects, self.rows.get((stuck.netns, stuck.cookie)), objects[0],
                        older=age == OLDER) for stuck in self.cast.stuck[name]]


@pytest.fixture(scope="module")
def run(request):
    """Only what was selected on the command line is played."""
    wanted = {item.callspec.params["name"] for item in request.session.items
              if "name" in getattr(getattr(item, "callspec", None), "params", ())
              and item.callspec.params["name"] in STORIES}
    return Run(wanted or set(STORIES))


@pytest.mark.parametrize("age", [TRACED, OLDER])
@pytest.mark.parametrize("name", STORIES)
def test_stuck(run, name, age, hidden):
    assert name not in run.cast.failed, run.cast.failed[name]
    hidden.ports({end[1] for stuck in run.cast.stuck[name] for end in (stuck.local, stuck.remote)})
    verdicts = run.verdicts(name, age)
    for each in verdicts:
        if each.delay is not None:
            print(f"{each.stuck}: raised {each.delay / MS:.1f} ms after its threshold")
    wrong = [each.explain() for each in verdicts if each.problems]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.hidden_events
@pytest.mark.parametrize("age", [TRACED, OLDER])
def test_nothing_else_is_flagged(run, age):
    """In these namespaces: each socket once, and no other."""
    promised = sorted((stuck.netns, stuck.cookie, stuck.flag)
                      for each in run.cast.stuck.values() for stuck in each)
    for event in ("raised", "cleared"):
        got = sorted((item["netns"], item["cookie"] or "", item["flag"])
                     for item in flags(run.objects[age], event) if item["netns"] in run.inums)
        assert got == promised, event


@pytest.mark.parametrize("age", [TRACED, OLDER])
def test_end_counts_them(run, age):
    objects = run.objects[age]
    raised, cleared = (len(flags(objects, event)) for event in ("raised", "cleared"))
    end = objects[-1]
    assert (end["flags_raised"], end["flags_open"]) == (raised, raised - cleared)
    assert objects[0]["thresholds_ns"] == {"CLOSE_WAIT": 10**9, "FIN_WAIT_2": 10**9,
                                           "ACCEPT": 10**9, "CLOSED": 60 * 10**9}


def test_how_late(run):
    """The delays, for whoever runs this with -s; the median is no matter of a noisy machine."""
    late = sorted(each.delay for name in run.cast.stuck for each in run.verdicts(name, TRACED)
                  if each.delay is not None)
    assert late
    print(f"\nraised after the threshold: median {late[len(late) // 2] / MS:.1f} ms, "
          f"p90 {late[len(late) * 9 // 10] / MS:.1f} ms, most {late[-1] / MS:.1f} ms")
    assert late[len(late) // 2] <= 500 * MS
