"""--flag, --no-flags, --only flag, and the states that are not flagged unless asked for."""
import contextlib
import time

import pytest

from lib.child import Child
from lib.clock import MS, SECOND
from lib.netns import Netns
from lib.tracer import Tracer
from lib.fixture import Fixture
from stuck.fixture import LoopbackFixture
from test_behaviour import churn, run as run_once

pytestmark = pytest.mark.hidden_events

ASKED = {"ESTABLISHED": 500 * MS, "SYN_RECEIVED": 500 * MS, "LISTEN": 400 * MS,
         "TIME_WAIT": 1 * SECOND}
DEFAULTS = {"CLOSE_WAIT": 60 * SECOND, "FIN_WAIT_2": 60 * SECOND, "CLOSED": 60 * SECOND,
            "ACCEPT": 10 * SECOND}
OPTIONS = ("--flag", "established=500ms", "--flag", "SYN-RECV=500ms", "--flag", "TCP_LISTEN=400ms",
           "--flag", "TIME_WAIT=1s")
FAMILIES = pytest.mark.parametrize("family", (4, 6))
SLACK_NS = 5 * MS


def four_states(child, family):
    """Two listeners, an accepted connection, a half-open one, and one in TIME_WAIT."""
    fixture = Fixture(family)
    established = fixture.server()
    half_open = fixture.listen(port=8081).half_open()
    closed = fixture.client(port=8082)
    closed.close(to="FIN_WAIT_1")
    closed.peer_acks_fin(to="FIN_WAIT_2")
    closed.peer("FA", to="TIME_WAIT")
    closed.hears("A")
    lives = dict(ESTABLISHED=established.life, SYN_RECEIVED=half_open.life, TIME_WAIT=closed.life,
                 LISTEN=fixture.listeners[0].life, LISTEN_2=fixture.listeners[1].life)
    child.tell((fixture.netns.inum, lives, established.sock.fileno()))
    child.told()
    for c in (closed, half_open):
        c.peer("R", to="CLOSED")
    established.abort()
    fixture.finish()
    child.tell(lives)
    child.told()


class OtherStates:
    def __init__(self):
        self.made, self.objects, self.early = {}, {}, {}
        variants = {"asked": OPTIONS, "default": (), "no_flags": ("--no-flags",),
                    "only_flag": (*OPTIONS, "--only", "flag")}
        with contextlib.ExitStack() as stack:
            tracers = {name: stack.enter_context(Tracer(*options))
                       for name, options in variants.items()}
            children = {family: Child(lambda child, family=family: four_states(child, family))
                        for family in (4, 6)}
            try:
                for family, child in children.items():
                    self.made[family] = child.told()
                self._wait(tracers["asked"], "raised")
                self._wait(tracers["only_flag"], "raised")
                self.early = list(tracers["asked"].objects())
                for family, child in children.items():
                    child.tell()
                    inum, _, fd = self.made[family]
                    self.made[family] = inum, child.told(), fd
                for name in ("asked", "only_flag"):
                    self._wait(tracers[name], "cleared")
                self.objects = {name: tracer.stop() for name, tracer in tracers.items()}
                for child in children.values():
                    child.tell()
                    child.result()
                children = {}
            finally:
                for child in children.values():
                    child.kill()

    def _wait(self, tracer, event):
        """For five flags in each namespace."""
        tracer.came_true(lambda objects: all(len(self.flags(objects, family, event)) >= 5
                                             for family in self.made),
                         {inum for inum, *_ in self.made.values()})

    def flags(self, objects, family, event):
        return [item for item in objects if item["type"] == "flag" and item["event"] == event
                and item["netns"] == self.made[family][0]]

    def flag_of(self, state, family, event="raised"):
        inum, lives, _ = self.made[family]
        life = lives[state]
        of_it = [item for item in self.flags(self.objects["asked"], family, event)
                 if (item["local"]["port"], item["remote"]["port"]) ==
                 (life.local[1], life.remote[1])]
        assert len(of_it) == 1, f"{life} in {inum}: {event} {of_it}"
        assert of_it[0]["state"] == state.partition("_2")[0] and of_it[0]["cause"] is None
        return of_it[0], life


@pytest.fixture(scope="module")
def other():
    return OtherStates()


@FAMILIES
@pytest.mark.parametrize("state", [*ASKED, "LISTEN_2"])
def test_other_states(other, state, family):
    """Raised after the threshold, cleared with all of the dwell, and no cause is made up."""
    raised, life = other.flag_of(state, family)
    cleared, _ = other.flag_of(state, family, "cleared")
    threshold = ASKED[state.partition("_2")[0]]
    entered = next(step.at for step in life.steps if step.state == raised["state"])
    assert raised["threshold_ns"] == cleared["threshold_ns"] == threshold
    assert threshold <= raised["dwell_ns"] < threshold + 10 * SECOND
    slack = SLACK_NS + (raised["error_ns"] or 0)
    assert raised["mono_ns"] - raised["dwell_ns"] in entered.around(slack)
    left, = [item for item in other.objects["asked"] if item["type"] == "transition"
             and (item["netns"], item["cookie"], item["local"], item["remote"], item["from"]) ==
             (cleared["netns"], cleared["cookie"], cleared["local"], cleared["remote"],
              cleared["state"])]
    assert (left["mono_ns"], left["dwell_ns"]) == (cleared["mono_ns"], cleared["dwell_ns"])


@FAMILIES
def test_holders_of_other_states(other, family):
    raised, life = other.flag_of("ESTABLISHED", family)
    holder, = raised["holders"]
    assert (holder["pid"], holder["fd"]) == (life.owner.pid, other.made[family][2])
    assert other.flag_of("TIME_WAIT", family)[0]["holders"] == []
    listener, life = other.flag_of("LISTEN", family)
    assert [each["pid"] for each in listener["holders"]] == [life.owner.pid]


@FAMILIES
def test_half_open_is_written_when_its_flag_is_due(other, family):
    """LISTEN -> SYN_RECEIVED, dated back, stands before the flag, while it is still half-open."""
    inum, lives, _ = other.made[family]
    life = lives["SYN_RECEIVED"]
    mine = [item for item in other.early if item.get("netns") == inum
            and item["remote"]["port"] == life.remote[1]]
    assert [(item["type"], item.get("to"), item.get("state")) for item in mine] == \
        [("transition", "SYN_RECEIVED", None), ("flag", None, "SYN_RECEIVED")]
    transition, flag = mine
    assert transition["from"] == "LISTEN" and transition["dwell_ns"] is None
    assert transition["mono_ns"] in life.steps[0].at.around(SLACK_NS)
    assert flag["cookie"] == transition["cookie"]
    assert flag["mono_ns"] - flag["dwell_ns"] == transition["mono_ns"]


@FAMILIES
def test_nothing_by_default(other, family):
    """60 s have not passed."""
    for name in ("default", "no_flags"):
        assert not other.flags(other.objects[name], family, "raised"), name
        assert [item for item in other.objects[name]
                if item.get("netns") == other.made[family][0]], "it was traced, though"


def test_thresholds_are_told(other):
    told = {name: objects[0]["thresholds_ns"] for name, objects in other.objects.items()}
    assert told["default"] == DEFAULTS and told["no_flags"] == {}
    assert told["asked"] == told["only_flag"] == DEFAULTS | ASKED


def test_only_flag(other):
    kinds = {item["type"] for item in other.objects["only_flag"]}
    assert kinds - {"lost"} == {"start", "flag", "end"}
    both = [sorted((item["netns"], item["cookie"] or "", item["event"], item["state"])
                   for family in other.made for event in ("raised", "cleared")
                   for item in other.flags(other.objects[name], family, event))
            for name in ("asked", "only_flag")]
    assert both[0] == both[1]


def test_end_agrees(other):
    for name, objects in other.objects.items():
        events = [item["event"] for item in objects if item["type"] == "flag"]
        end = objects[-1]
        assert end["flags_raised"] == events.count("raised"), name
        assert end["flags_open"] == events.count("raised") - events.count("cleared"), name


def test_leaves_before_its_threshold():
    """CLOSE_WAIT and FIN_WAIT_2 for an instant, many times: nothing is flagged."""
    def job(_):
        netns = Netns.create()
        fixture = LoopbackFixture(netns, 4)
        listener = fixture.listen()
        for _ in range(200):
            talk = fixture.talk(listener)
            talk.client.sock.close()
            talk.server.sock.close()
        return netns.inum

    with Tracer("--flag", "CLOSE_WAIT=2s", "--flag", "FIN_WAIT_2=2s") as tracer:
        made = {Child(job).result(), churn(200).netns}
        time.sleep(2.5)
        objects = tracer.stop()
    assert not [item for item in objects if item["type"] == "flag" and item["netns"] in made]


def test_clears_and_is_raised_again():
    """Each stay counts on its own: CLOSE_WAIT of one socket says nothing about the next one."""
    def job(child):
        netns = Netns.create()
        fixture = LoopbackFixture(netns, 4)
        listener = fixture.listen()
        for _ in range(2):
            talk = fixture.talk(listener)
            talk.client.sock.close()
            talk.server.comes_to("CLOSE_WAIT", 0)
            child.tell((netns.inum, talk.server.cookie))
            child.told()
            talk.server.sock.close()
        child.told()

    with Tracer("--flag", "CLOSE_WAIT=500ms", "--only", "flag") as tracer:
        child, keys = Child(job), []
        for _ in range(2):
            keys.append(child.told())
            tracer.wait_for(lambda objects: events(objects, keys[-1]) == ["raised"], "a flag")
            child.tell()
            tracer.wait_for(lambda objects: len(events(objects, keys[-1])) == 2, "its end")
        objects = tracer.stop()
        child.tell()
        child.result()
    for key in keys:
        assert events(objects, key) == ["raised", "cleared"]


def events(objects, key):
    return [item["event"] for item in objects if item["type"] == "flag"
            and item["state"] == "CLOSE_WAIT" and (item["netns"], item["cookie"]) == key]


BAD_FLAGS = ["CLOSE_WAIT", "=5s", "NOPE=5s", "CLOSE_WAIT=0", "CLOSE_WAIT=x", "CLOSE_WAIT=",
             "CLOSE_WAIT=-1s", "CLOSED", ""]


@pytest.mark.parametrize("command", [["trace"], ["leaks"]], ids=["trace", "leaks"])
@pytest.mark.parametrize("value", BAD_FLAGS)
def test_bad_flag(value, command):
    """Status 2 and one line that names the culprit."""
    done = run_once(*command, "--json", "--flag", value)
    said = done.stderr.decode()
    assert done.returncode == 2 and done.stdout == b"", f"status {done.returncode}: {said!r}"
    assert said.count("\n") == 1 and "--flag" in said, said
