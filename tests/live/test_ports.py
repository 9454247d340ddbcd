"""Local ports: those that connect() can choose, how long they last, and connects that fail without one."""
import contextlib
import errno
import os
import re
import socket
import threading
import time

import pytest

from lib.netns import Netns, sysctl
from lib.patience import wait_for
from lib.tracer import Tracer
from lib.fixture import LOOPBACK

pytestmark = pytest.mark.hidden_events

FAMILIES = pytest.mark.parametrize("family", (4, 6), ids=("ipv4", "ipv6"))
PORT = 7700


@pytest.fixture(autouse=True)
def _back_home():
    with Netns.current().inside():
        yield


def small_netns(first=40000, last=40019, reuse=0):
    netns = Netns.create()
    sysctl("ipv4.ip_local_port_range", f"{first} {last}")
    sysctl("ipv4.tcp_tw_reuse", reuse)
    return netns


def listen(family=4, port=PORT):
    return socket.create_server((LOOPBACK[family], port), backlog=100,
                                family=socket.AF_INET6 if family == 6 else socket.AF_INET)


def client_of(listener):
    return socket.socket(listener.family)


def connect_and_close(listener, client=None):
    """The client closes first. The errno of a connect() that fails, else 0."""
    client = client or client_of(listener)
    with client:
        try:
            client.connect(listener.getsockname())
        except OSError as error:
            return error.errno
        server, _ = listener.accept()
    with server:
        server.recv(1)
    return 0


def intervals(objects, total=False):
    return [each for each in objects
            if each["type"] == "stats" and each.get("total", False) == total]


def use_of(stats, port=PORT):
    uses = [use for use in stats["ports"] if use["remote"]["port"] == port]
    assert len(uses) <= 1
    return uses[0] if uses else None


def last_use(objects):
    seen = intervals(objects)
    return use_of(seen[-1]) if seen else None


def failed_of(objects):
    return [each for each in objects if each["type"] == "connects_failed"]


# --- connects that fail --------------------------------------------------------------------------

@FAMILIES
def test_connects_without_a_port_are_counted(family):
    netns = small_netns()
    with Tracer("--netns", netns.path) as trace, \
            Tracer("1h", "--netns", netns.path, command="stats") as stats, \
            listen(family) as listener:
        results = [connect_and_close(listener) for _ in range(60)]
        objects, totals = trace.stop(), intervals(stats.stop(), total=True)
    failed = results.count(errno.EADDRNOTAVAIL)
    assert failed == len(results) - results.count(0) >= 40, "TIME_WAIT holds all 20"
    told = failed_of(objects)
    assert sum(each["count"] for each in told) == failed
    assert {(each["reason"], each["owner"]["pid"], each["netns"], each["remote"]["port"])
            for each in told} == {("no_port", os.getpid(), netns.inum, PORT)}
    assert len(told) <= 2, "a storm is no line for each"
    total = totals[-1]
    assert [(each["owner"]["pid"], each["reason"], each["count"])
            for each in total["connects_failed"]] == [(os.getpid(), "no_port", failed)]
    use = use_of(total)
    assert (use["used"], use["capacity"], use["failed"], use["forecast"]) == \
        (20, 20, failed, "exhausted")


def test_the_moment_of_exhaustion_in_text():
    netns = small_netns()
    with Tracer("--netns", netns.path, json_output=False) as trace, \
            Tracer("--netns", netns.path, "1h", json_output=False, command="stats") as stats, \
            listen() as listener:
        failed = [connect_and_close(listener) for _ in range(60)].count(errno.EADDRNOTAVAIL)
        texts = []
        for tracer in (trace, stats):
            tracer.process.send_signal(2)
            assert tracer.process.wait(timeout=60) == 0
            with open(tracer.output, encoding="utf-8") as file:
                texts.append(file.read())
    lines = [line for line in texts[0].splitlines() if "CONNECT FAILED" in line]
    assert 1 <= len(lines) <= 2
    assert sum(int(re.search(r"(\d+) times", line).group(1)) for line in lines) == failed
    assert all(f"[{os.getpid()}]" in line for line in lines)
    assert f"EXHAUSTED: {failed} connects failed" in texts[1]
    assert re.search(rf"{failed}  no local port is free \(EADDRNOTAVAIL\)  \S+\[{os.getpid()}\]",
                     texts[1])


@FAMILIES
def test_four_numbers_that_are_taken_are_no_exhaustion(family):
    netns = small_netns()
    with Tracer("--netns", netns.path) as trace, listen(family) as listener:
        with client_of(listener) as first, client_of(listener) as second, \
                client_of(listener) as third:
            for each in (first, second, third):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                each.bind((LOOPBACK[family], 30000))
            first.connect(listener.getsockname())
            with pytest.raises(OSError) as failure:
                second.connect(listener.getsockname())
            assert failure.value.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE)
        objects = trace.stop()
    assert [(each["reason"], each["count"]) for each in failed_of(objects)] == [("port_taken", 1)]


# What ends in SYN_SENT without an error, but after its SYN.
@FAMILIES
def test_others_that_end_in_syn_sent_are_none(family):
    netns = small_netns()
    with Tracer("--netns", netns.path) as trace, listen(family) as listener, \
            listen(family, PORT + 1) as full:
        full.listen(0)
        kept = []
        for _ in range(4):  # its queue is full: a SYN is not answered
            client = client_of(full)
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            kept.append(client)
        wait_for(lambda: any(each["type"] == "transition" and each["to"] == "SYN_SENT"
                             and each["remote"]["port"] == PORT + 1 for each in trace.objects()),
                 "a connect()")
        for client in kept:
            client.close()
        # Refused, and then used again, with a port of its first life in the socket.
        with client_of(listener) as again:
            assert again.connect_ex((LOOPBACK[family], PORT + 2)) == errno.ECONNREFUSED
            assert again.connect_ex(listener.getsockname()) == 0
        objects = trace.stop()
    assert failed_of(objects) == []


def test_a_socket_that_was_refused_before_finds_no_port():
    netns = small_netns(40000, 40001)
    with Tracer("--netns", netns.path) as trace, listen() as listener:
        with client_of(listener) as again:
            assert again.connect_ex((LOOPBACK[4], PORT + 2)) == errno.ECONNREFUSED
            assert [connect_and_close(listener) for _ in range(2)] == [0, 0]
            assert again.connect_ex(listener.getsockname()) == errno.EADDRNOTAVAIL
        objects = trace.stop()
    assert [(each["reason"], each["count"], each["remote"]["port"])
            for each in failed_of(objects)] == [("no_port", 1, PORT)]


# --- capacity ------------------------------------------------------------------------------------

# Whatever bound it, on whatever address: connect() does not choose it. `older`: than the tracer.
@pytest.mark.parametrize("older", (True, False), ids=("older", "younger"))
def test_bound_ports_are_no_capacity(older):
    netns = small_netns()
    sysctl("ipv4.ip_local_reserved_ports", "40018-40100")
    kept = contextlib.ExitStack()

    def bind_them():
        served = kept.enter_context(socket.create_server(("127.0.0.2", 40001), backlog=10))
        # Listens no more, but its connection has the port.
        gone = socket.create_server(("127.0.0.3", 40002), backlog=10)
        listener6 = socket.create_server(("::1", 40003), family=socket.AF_INET6)
        kept.enter_context(listener6)
        bound = kept.enter_context(socket.socket())
        bound.bind(("127.0.0.4", 40004))
        bound.connect(served.getsockname())
        kept.enter_context(served.accept()[0])
        outside = kept.enter_context(socket.socket())
        outside.bind(("127.0.0.5", 30000))
        outside.connect(gone.getsockname())
        kept.enter_context(gone.accept()[0])
        gone.close()
        idle = kept.enter_context(socket.socket())
        idle.bind(("127.0.0.6", 40005))  # neither listens nor connects

    if older:
        bind_them()
    with kept, Tracer("100ms", "--netns", netns.path, command="stats") as stats:
        if not older:
            bind_them()
        with listen() as listener, contextlib.ExitStack() as clients:
            count = 0
            while True:
                client = clients.enter_context(client_of(listener))
                if client.connect_ex(listener.getsockname()) != 0:
                    break
                clients.enter_context(listener.accept()[0])
                count += 1

            def full():
                use = last_use(stats.objects())
                return use if use and use["used"] == use["capacity"] == count else None
            used = wait_for(full, "all that can be chosen are in use")  # the idle one's turn comes
        stats.stop()
    assert count == 20 - 2 - 5
    assert (used["size"], used["bound"], used["capacity"]) == (18, 5, 13)


def test_a_range_that_changes_is_noticed():
    netns = small_netns()
    with Tracer("100ms", "--netns", netns.path, command="stats") as stats, listen() as listener:
        assert [connect_and_close(listener) for _ in range(20)] == [0] * 20
        assert connect_and_close(listener) == errno.EADDRNOTAVAIL

        def last():
            return last_use(stats.objects()) or {"forecast": None, "reusable": 0, "capacity": 0}
        wait_for(lambda: last()["forecast"] in ("exhausted", "full"), "20 of 20")
        sysctl("ipv4.ip_local_port_range", "40000 40099")
        sysctl("ipv4.tcp_tw_reuse", 1)
        wait_for(lambda: last()["capacity"] == 100 and last()["reusable"] == 20, "its turn")
        assert last()["used"] == 0
        stats.stop()


# --- the forecast --------------------------------------------------------------------------------

def play(listener, rate, seconds):
    """So many connections a second, evenly, and how many of them failed."""
    begin, failed = time.monotonic(), 0
    for count in range(int(rate * seconds)):
        time.sleep(max(0.0, begin + count / rate - time.monotonic()))
        failed += connect_and_close(listener) != 0
    return failed


class Player(threading.Thread):
    """A client in a namespace of its own, with a tracer of its own."""

    def __init__(self, rate, reuse, wanted):
        super().__init__()
        self.rate, self.reuse, self.wanted = rate, reuse, wanted
        with Netns.current().inside():
            self.netns = small_netns(40000, 40199, reuse)
            self.listener = listen()
        self.tracer = Tracer("1s", "--netns", self.netns.path, command="stats")

    def run(self):
        self.netns.enter()
        play(self.listener, self.rate, 17)

    def judge(self):
        uses = [use_of(each) for each in intervals(self.tracer.stop())][-3:-1]
        assert {use["forecast"] for use in uses} == {self.wanted}, self.rate
        for use in uses:
            if self.wanted == "runs_out":
                left = (200 - use["used"]) / self.rate
                assert left / 2 < use["exhausted_in_ns"] / 1e9 < left * 2
                continue
            level = self.rate if self.reuse else self.rate * 61
            assert use["exhausted_in_ns"] is None
            assert level * 0.8 - 3 < use["levels_off_at"] < level * 1.2 + 3
            assert (use["reusable"] > 0) == (self.reuse > 0)


# 3 x 61 are below 200, 5 x 61 are not: to say so takes a quarter of a minute. With reuse they are far
# from either.
def test_whether_ports_last():
    players = [Player(3, 0, "levels_off"), Player(5, 0, "runs_out"), Player(5, 1, "levels_off"),
               Player(5, 2, "levels_off")]
    with contextlib.ExitStack() as stack:
        for player in players:
            stack.enter_context(player.tracer)
        for player in players:
            player.start()
        for player in players:
            player.join()
        for player in players:
            player.judge()
    for player in players:
        player.listener.close()


def test_ports_that_are_fine_are_said_to_be():
    netns = small_netns(40000, 49999)
    with Tracer("--netns", netns.path, "1h", json_output=False, command="stats") as stats, \
            listen() as listener:
        with client_of(listener) as client:
            client.connect(listener.getsockname())
            stats.process.send_signal(2)
            assert stats.process.wait(timeout=60) == 0
        with open(stats.output, encoding="utf-8") as file:
            text = file.read()
    assert "ports fine, for connect() without bind(): at most 1 of 10,000 are in use" in text
