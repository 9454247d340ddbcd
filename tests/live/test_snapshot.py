"""Sockets older than the tracer: found in every namespace, once each, and then followed."""
import pytest

from lib.child import Child
from lib.clock import now
from lib.lifecycle import endpoints
from lib.tracer import Tracer, connections_in
from lib.fixture import Fixture
from older.scenarios import LAST, WITH_PEER, WITHOUT, LeavableFixture
from older.expectations import LifeExpectations

SCENARIOS = {f"{scenario.__name__}-ipv{family}": (scenario, family, LeavableFixture if scenario in WITHOUT else Fixture)
           for scenario in WITH_PEER + WITHOUT + LAST for family in (4, 6)}


def run_scenario(child, scenario, family, fixture_class):
    fixture = fixture_class(family)
    steps = scenario(fixture)
    next(steps)
    known = {id(life): len(life.steps) for life in fixture.lives}
    child.tell(("set", None))
    child.told()
    next(steps, None)
    lives = [(life, known[id(life)]) for life in fixture.lives if not _is_helper(life)]
    child.tell(("done", (fixture.netns.inum, lives)))
    child.told()  # its namespace lives as long as its inode number is looked for


def _is_helper(life):
    """A listener that goes on listening is scenery."""
    return life.role == "listener" and not life.over


class Run:
    def __init__(self, names):
        self.failed, self.made, self.children = {}, {}, {}
        last = {name for name in names if SCENARIOS[name][0] in LAST}
        try:
            for some in (names - last, last):
                self._start(some)
                self._gather(None, some)
            with Tracer() as tracer:
                self.ready_ns = now()
                for child in self.children.values():
                    child.tell()
                self._gather(self.made, list(self.children))
                self._wait(tracer)
                self.objects = tracer.stop()
        finally:
            for child in self.children.values():
                child.kill()

    def _start(self, names):
        for name in names:
            self.children[name] = Child(lambda child, name=name: run_scenario(child, *SCENARIOS[name]),
                                        name[:15].encode())

    def _gather(self, into, names):
        for name in names:
            kind, value = self.children[name].told()
            if kind == "failed":
                self.failed[name] = value
                self.children.pop(name).kill()
            elif into is not None:
                into[name] = value

    def _wait(self, tracer):
        """Until each connection has ended, or is late."""
        tracer.came_true(lambda objects: all(len(connections_in(objects, inum)) >= len(lives)
                                             for inum, lives in self.made.values()),
                         {inum for inum, _ in self.made.values()})

    def about(self, name):
        inum, lives = self.made[name]
        mine = [item for item in self.objects if item.get("netns") == inum]
        return lives, mine


@pytest.fixture(scope="module")
def run(request):
    wanted = {item.callspec.params["name"] for item in request.session.items
              if getattr(item, "callspec", None)
              and item.callspec.params.get("name") in SCENARIOS}
    return Run(wanted)


def of_life(life, objects):
    """By its ends: a cookie may be given late."""
    def ends(item):
        local, remote = endpoints(item)
        return (local, remote if life.role != "listener" else life.remote)
    return [item for item in objects if ends(item) == (life.local, life.remote)]


@pytest.mark.parametrize("name", SCENARIOS)
def test_older(run, name, hidden):
    assert name not in run.failed, run.failed[name]
    lives, objects = run.about(name)
    assert lives, "the scenario promised nothing"
    hidden.lives([life for life, _ in lives])
    claimed, wrong = [], []
    for life, known in lives:
        mine = of_life(life, objects)
        claimed += mine
        expected = LifeExpectations(life, known, mine, run.objects[0], run.ready_ns)
        wrong += [expected.explain()] if expected.problems else []
    excess = [item for item in objects if item not in claimed]
    assert not wrong and not excess, "\n" + "\n".join(wrong) + f"\nexcess: {excess}"
