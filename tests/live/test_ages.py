"""The age of sockets that are older than the tracer: the true age is between the two bounds."""
import os

import pytest

from ages.cases import HALF_CLOSED, UNANSWERED, data_before, silent
from ages.healthy import Server
from ages.run import run_cases
from ages.wire import WIRE, run_on_the_wire
from lib.child import Child
from lib.clock import MS, SECOND, pause
from lib.netns import Netns, has_sysctl
from lib.tracer import parse_line
from test_behaviour import run
from test_leaks import flags

STATES = ("CLOSE_WAIT", "FIN_WAIT_1", "FIN_WAIT_2", "LAST_ACK", "CLOSING", "SYN_SENT")
SHORT = [f"--flag={state}=1ms" for state in STATES]
KEEPALIVES = ("none", "client", "server", "both")
RIPE_S = 2.5  # keepalive probes come every second: each socket has had two
RIPE = ("--flag=CLOSE_WAIT=2s", "--flag=FIN_WAIT_2=2s", "--flag=LAST_ACK=2s", "--flag=SYN_SENT=2s",
        "--flag=FIN_WAIT_1=2s")
AGREE_NS = SECOND  # bounds that are so close are as good as the age
MARGIN_NS = 5 * MS  # the state is set a moment before or after the kernel looks at its clock
LOOKS = int(os.environ.get("TCPDWELL_LOOKS", 60))  # at a healthy server


def families():
    return (4, 6) if has_sysctl("ipv6") else (4,)


class Ages:
    """All cases, with and without TCP timestamps, each in a process and namespace of its own."""

    def __init__(self):
        self.children, self.facts, self.inums, self.items = [], [], [], {}
        try:
            for timestamps in (True, False):
                self.start(run_cases, HALF_CLOSED, families(), KEEPALIVES, timestamps)
                self.start(run_cases, UNANSWERED, families(), ("none", "both"), timestamps)
                for family in families():
                    for case in WIRE:
                        self.start(run_on_the_wire, case, family, timestamps)
            self.start(run_cases, (silent, data_before), families(), KEEPALIVES, True, True)
            for child in self.children:
                self.gather(child)
            pause(RIPE_S)
            for inum in self.inums:
                self.items.update({item["cookie"]: item for item in leaks(inum, SHORT)})
        except BaseException:
            self.close()
            raise

    def start(self, function, *how):
        self.children.append(Child(lambda child: function(child, *how), b"ages"))

    def gather(self, child):
        while True:
            inum, facts = child.told()
            assert isinstance(inum, int), facts
            if not facts:
                return self.inums.append(inum)
            self.facts += facts

    def close(self):
        for child in self.children:
            child.kill()


def leaks(inum, options, status=1):
    done = run("leaks", "--json", "--netns", str(inum), *options)
    assert done.returncode in ((0, 1) if status is None else (status,)), done
    return flags(done.stdout)


@pytest.fixture(scope="module")
def ages():
    made = Ages()
    yield made
    made.close()


def bounds(item):
    """A known age is exact within its error."""
    if item["error_ns"] is None:
        return item["dwell_ns"], item["at_most_ns"]
    return item["dwell_ns"] - item["error_ns"], item["dwell_ns"] + item["error_ns"]


def is_certain(item):
    lower, upper = bounds(item)
    return upper is not None and upper - lower <= AGREE_NS


def may_be_ripe(item):
    lower, upper = bounds(item)
    return (lower if upper is None else upper) >= 2 * SECOND


def problem(fact, item):
    if item is None:
        # Sockets without a bound over the threshold are not listed.
        return "not listed" if fact.certain else None
    lower, upper = bounds(item)
    youngest = item["mono_ns"] - fact.entered.hi
    oldest = item["mono_ns"] - fact.entered.lo
    if item["state"] != fact.state:
        return f"is in {item['state']}"
    if lower > oldest + MARGIN_NS:
        return f"at least {lower / MS} ms, but it is {oldest / MS} ms old at most"
    if upper is not None and upper < youngest - MARGIN_NS:
        return f"at most {upper / MS} ms, but it is {youngest / MS} ms old at least"
    if fact.certain and not is_certain(item):
        return f"anything between {lower / MS} ms and {upper and upper / MS} ms"
    return None


def test_the_truth_is_between_the_bounds(ages):
    wrong = [f"{fact.case}, {fact.state}: {text}" for fact in ages.facts
             if (text := problem(fact, ages.items.get(fact.cookie)))]
    assert len(ages.facts) > 200 * len(families()), len(ages.facts)
    assert not wrong, f"{len(wrong)} of {len(ages.facts)}:\n" + "\n".join(wrong)


def test_sockets_over_the_threshold_are_leaks(ages):
    """Keepalive, data and window probes do not hide an age that the kernel keeps."""
    listed = {item["cookie"]: item for inum in ages.inums for item in leaks(inum, RIPE, None)}
    hidden = [f"{fact.case}, {fact.state}" for fact in ages.facts if fact.certain
              and not (fact.cookie in listed and may_be_ripe(listed[fact.cookie]))]
    assert not hidden, f"{len(hidden)} of {len(ages.facts)}:\n" + "\n".join(hidden)


def test_sockets_of_unknown_age_are_listed_and_no_leak():
    """The route acknowledges the FIN at once, and keepalive renews the rest: its age is unknown."""
    child = Child(lambda child: run_cases(child, (silent,), (4,), ("server",), True, True), b"ages")
    try:
        inum, facts = child.told()
        pause(RIPE_S)
        stuck = next(fact for fact in facts if fact.state == "CLOSE_WAIT")
        item, = leaks(inum, ["--flag=CLOSE_WAIT=2s", "--flag=FIN_WAIT_2=1h"], status=0)
        assert item["cookie"] == stuck.cookie and item["error_ns"] is None
        assert item["dwell_ns"] < 2 * SECOND <= item["at_most_ns"]
        text = run("leaks", "--netns", str(inum), "--flag=CLOSE_WAIT=2s", "--flag=FIN_WAIT_2=1h")
        assert text.returncode == 0 and b"at most" in text.stdout, text
        assert b"1 socket of unknown age" in text.stdout, text
        done = run("leaks", "--json", "--netns", str(inum), "--flag=CLOSE_WAIT=1500ms",
                   "--flag=FIN_WAIT_2=1h", "--watch=100ms", "-d3s")
        *_, item, _ = map(parse_line, done.stdout.splitlines(keepends=True))
        assert item["dwell_ns"] >= 1500 * MS, "each look forgets what the one before it knew"
        assert done.returncode == 1, done
    finally:
        child.kill()


def test_nearly_listed():
    """Younger sockets are counted."""
    child = Child(lambda child: run_cases(child, (silent,), (4,), ("none",), True), b"ages")
    try:
        inum = child.told()[0]
        done = run("leaks", "--netns", str(inum))
        assert done.returncode == 0
        assert b"nothing is stuck: 1 in FIN_WAIT_2, the oldest " in done.stdout, done
        assert b"; 1 in CLOSE_WAIT, the oldest " in done.stdout, done
    finally:
        child.kill()


def test_a_healthy_server_has_no_leak():
    """Connections that are idle for longer than the threshold, and closed 1 s after the end of
    stream: none of them is stuck, and none may be."""
    netns = Netns.current()
    with netns.inside():
        child = Child(lambda child: Server(idle_s=3.5, slow_s=1.0, per_second=20).run(child), b"ok")
    try:
        inum = child.told()
        threshold_ns = 2500 * MS
        said = [item for _ in range(LOOKS)
                for item in leaks(inum, ["--flag=CLOSE_WAIT=2500ms", "--flag=FIN_WAIT_2=2500ms"],
                                  None)]
        child.tell()
        held_ns = child.result()
        wrong = [item for item in said
                 if held_ns.get(min(item["local"]["port"], item["remote"]["port"]), 0) < threshold_ns]
        assert len(held_ns) > 20 and not wrong, wrong
    finally:
        netns.close()
