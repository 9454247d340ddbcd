"""Which tests are repeated after hidden events. Needs no tracer."""
import os
import pathlib
import socket

import pytest

from lib.called import Called
from lib.clock import MS, Bracket
from lib.hidden import about_lives, about_ports, hides_segment
from lib.life import Life
from lib.witness import Comparison, of_tcp, parse

pytest_plugins = ["pytester"]

# As the ring of a 6.18 had them.
STATE = (" tokio-rt-worker-68      [001] ..s1.   805.464043: inet_sock_set_state: family=AF_INET "
         "protocol=IPPROTO_TCP sport=49382 dport=9000 saddr=127.0.0.1 daddr=127.0.0.1 "
         "saddrv6=::ffff:127.0.0.1 daddrv6=::ffff:127.0.0.1 oldstate=TCP_FIN_WAIT1 "
         "newstate=TCP_FIN_WAIT2")
START = (" tokio-rt-worker-68      [001] D.s3.   805.464045: timer_start: timer=00000000e3d9e8eb "
         "function=tw_timer_handler expires=4295093850 [timeout=250] bucket_expiry=4295093888 cpu=1 "
         "idx=92 flags=")
CANCEL = " vsock-console-59      [000] d.s2.   806.000000: timer_cancel: timer=00000000e3d9e8eb"
OTHERS = (" vsock-console-59      [000] ..s..   806.000001: timer_expire_entry: "
          "timer=000000001234abcd function=delayed_work_timer_fn now=4295093111 baseclk=4295093110")
SEGMENT = (" vsock-console-59      [000] ..s2.   807.000000: kfree_skb: skbaddr=00000000a2e0f9b1 "
           "rx_sk=00000000e3d9e8eb protocol=2048 location=tcp_v4_rcv+0x2f0/0xde0 reason: "
           "NOT_SPECIFIED")


def seen(*lines):
    return of_tcp([event for event in map(parse, lines) if event], {})


def life(port=49382, at_ms=805_464):
    made = Life("client", 4, ("127.0.0.1", port), ("127.0.0.1", 9000))
    for number, state in enumerate(("SYN_SENT", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2")):
        made.enter(state, Bracket((at_ms - 3 + number) * MS, (at_ms - 3 + number) * MS + MS // 2))
    made.enter("TIME_WAIT", Bracket(806_999 * MS, 807_001 * MS))
    return made


def test_only_a_softirq_is_seen():
    assert len(seen(STATE)) == 1
    assert not seen(STATE.replace("..s1.", ".....")) and not seen("CPU:0 [LOST 3 EVENTS]")
    assert not seen(STATE.replace("IPPROTO_TCP", "IPPROTO_MPTCP"))


def test_the_timers_of_others_are_left_out():
    assert [event["event"] for event in seen(START, CANCEL, OTHERS)] == \
        ["timer_start", "timer_cancel"]
    assert not seen(OTHERS, CANCEL.replace("00000000e3d9e8eb", "000000001234abcd"))


def test_it_is_this_connections():
    for event in seen(STATE, START, SEGMENT):
        assert about_lives([event], [life()]), event
    assert not about_lives(seen(STATE), [life(port=49383)])
    assert not about_lives(seen(START), [life(at_ms=705_464)]), "another moment"
    assert not about_lives(seen(CANCEL), [life()]), "in the middle of a state"
    anytime = life(at_ms=705_464)
    anytime.steps = [step._replace(at=None) for step in anytime.steps]
    assert about_lives(seen(START), [anytime]), "nobody said when"
    request = START.replace("tw_timer_handler", "reqsk_timer_handler")
    assert not about_lives(seen(request), [life()]), "it was never half-open"


def test_ports_and_segments():
    assert about_ports(seen(STATE), {9000}) and not about_ports(seen(STATE), {9001})
    assert hides_segment(seen(SEGMENT), life()) and not hides_segment(seen(STATE, START), life())


class Kernel:
    """A tracefs instance, and BPF's counters."""

    def __init__(self):
        self.come, self.calls = [], {"inet_sock_set_state": 7, "timer_start": 0}

    def lines(self):
        come, self.come = self.come, []
        return come

    def counts(self):
        return dict(self.calls)


def test_events_with_a_bpf_call_are_not_hidden():
    kernel = Kernel()
    kernel.come = [STATE]  # before the comparison begins
    comparison = Comparison(kernel, kernel)
    assert comparison.look() == ([], set())
    kernel.come, kernel.calls["inet_sock_set_state"] = [STATE, START], 8
    assert comparison.look() == ([STATE, START], {"timer_start"})
    kernel.come = [STATE]
    assert comparison.look() == ([STATE], {"inet_sock_set_state"})
    kernel.calls["inet_sock_set_state"] = 9  # a thread that ftrace does not follow yet
    assert comparison.look() == ([], set())
    kernel.come = [STATE]
    assert comparison.look() == ([STATE], {"inet_sock_set_state"})


def test_bpf_counts_its_calls():
    called = Called(["inet_sock_set_state", "kfree_skb"], process=os.getpid())
    nobody = Called(["inet_sock_set_state"], process=0x7fffffff)
    socket.create_server(("127.0.0.1", 0)).close()  # CLOSED -> LISTEN -> CLOSED
    assert called.counts()["inet_sock_set_state"] >= 2
    assert nobody.counts() == {"inet_sock_set_state": 0}


INNER = """
import pathlib, sys
import pytest
sys.path.insert(0, {root!r})
from lib.again import ROUNDS, Again
from lib.clock import now

class Witness:
    why, lost, seen = {why!r}, 0, []
    def events(self, since_ns=0):
        return [event for event in self.seen if event["at"] >= since_ns]
    def close(self):
        pass

def pytest_sessionstart(session):
    session.config.pluginmanager.register(Again(Witness()), "again")

@pytest.fixture
def hidden(request):
    return request.config.pluginmanager.get_plugin("again").claim(request.node)

@pytest.fixture(scope="module")
def number():
    "How often fixtures were set up."
    file = pathlib.Path("number")
    file.write_text(str(int(file.read_text()) + 1 if file.exists() else 1))
    return int(file.read_text())

@pytest.fixture
def hit():
    return lambda port=1: Witness.seen.append(
        dict(at=now(), event="inet_sock_set_state", ends=[["127.0.0.1", port], ["127.0.0.1", 2]]))
"""


@pytest.mark.parametrize("body, outcomes, why", [
    ("def test(number): assert number > 1", {"failed": 1}, ""),
    ("def test(number, hit): hit(); assert number > 1", {"failed": 1}, ""),
    ("def test(number, hit, hidden): hit(); assert hidden.transitions() and number > 1",
     {"failed": 1}, ""),
    ("@pytest.mark.hidden_events\ndef test(number, hit): hit(); assert number > 2",
     {"hidden": 2, "passed": 1}, ""),
    ("@pytest.mark.hidden_events\ndef test(number): assert number > 1", {"failed": 1}, ""),
    ("def test(number, hit, hidden): hidden.ports({1}); hit(); assert number > 1",
     {"hidden": 1, "passed": 1}, ""),
    ("def test(number, hit, hidden): hidden.ports({3}); hit(); assert number > 1",
     {"failed": 1}, ""),
    ("@pytest.mark.hidden_events\ndef test(number, hit): hit(); assert False",
     {"hidden": 5, "failed": 1}, ""),
    ("@pytest.mark.hidden_events\ndef test(number, hit): hit(); assert number > 1",
     {"failed": 1}, "no tracefs"),
    ("def test(number, hidden):\n    if number < 2: hidden.held_by_walk()\n    assert number > 1",
     {"hidden": 1, "passed": 1}, "no tracefs"),
], ids=["not_hit", "not_claimed", "only_counted", "hit_twice", "claimed_but_not_hit", "its_port", "another_port",
        "always", "no_witness", "held_by_walk"])
def test_which_tests_are_repeated(pytester, monkeypatch, body, outcomes, why):
    monkeypatch.delenv("TCPDWELL_SUMMARY", raising=False)  # of the tests that run for real
    root = str(pathlib.Path(__file__).parent)
    pytester.makeconftest(INNER.format(root=root, why=why))
    pytester.makeini("[pytest]\nmarkers = hidden_events")
    pytester.makepyfile("import pytest\n" + body)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    counted = {name: number for name, number in result.parseoutcomes().items()
               if name in ("passed", "failed", "hidden", "error", "errors")}
    assert counted == outcomes
    assert result.ret == (1 if "failed" in outcomes else 0)
