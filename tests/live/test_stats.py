"""stats: its numbers are those of the kernel, and of the traffic."""
import json
import os
import random
import socket
import subprocess
from collections import Counter

import pytest

from lib import ss
from lib.clock import now
from lib.netns import Netns, sysctl
from lib.patience import ended, wait_for
from lib.tracer import Tracer
from lib.fixture import LOOPBACK, Fixture
from whole.traffic import CHURN

pytestmark = pytest.mark.hidden_events

MOMENTS = 20
INTERVAL = "100ms"
TRIES = 20  # a timer may end something just then


@pytest.fixture(autouse=True)
def _back_home():
    with Netns.current().inside():
        yield


def churn(family, connections):
    """Its exact number of transitions."""
    if not os.access(CHURN, os.X_OK):
        pytest.skip(f"there is no load generator at {CHURN}: build it, or set TCPDWELL_CHURN")
    done = subprocess.run([CHURN, "--connections", str(connections), "--family", str(family)],
                          capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["exact"], said
    return said["connections"]


def intervals(objects):
    return [each for each in objects if each["type"] == "stats" and "total" not in each]


def now_of(stats, merged):
    counts = Counter()
    for row in stats["rows"]:
        counts[merged.get(row["state"], row["state"])] += row["now"]
    return +counts


def kernel_now(netns, merged):
    return Counter(merged.get(row.state, row.state) for row in ss.rows(netns, cookies=False))


class Crowd:
    """Connections over loopback that stay in each state that one can be held in."""

    def __init__(self, family, chance):
        self.family, self.chance, self.kept = family, chance, []
        self.listener = socket.create_server(
            (LOOPBACK[family], 0), backlog=64,
            family=socket.AF_INET6 if family == 6 else socket.AF_INET)

    def act(self):
        client = socket.create_connection(self.listener.getsockname()[:2])
        server = self.listener.accept()[0]
        self.kept += [client, server]
        what = self.chance.choice(["stay", "close", "shutdown", "both", "abort"])
        if what == "close":
            client.close()  # an orphan's FIN_WAIT_2, and CLOSE_WAIT
        elif what in ("shutdown", "both"):
            client.shutdown(socket.SHUT_WR)
        if what == "both":
            server.close()
        elif what == "abort":
            server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            server.close()

    def close(self):
        for each in [*self.kept, self.listener]:
            each.close()


def compare(tracer, netns, merged):
    """Whether nothing moved while an interval ended; if so, its counts are the kernel's."""
    before, since = kernel_now(netns, merged), now()
    found = []

    def later(objects):
        found[:] = [each for each in intervals(objects) if each["mono_ns"] > since]
        return found
    tracer.wait_for(later, "the end of an interval")
    looked = found[0]
    after = kernel_now(netns, merged)
    if before != after:
        return False
    assert now_of(looked, merged) == after
    return True


@pytest.mark.parametrize("family", (4, 6), ids=("ipv4", "ipv6"))
def test_now_agrees_with_the_kernel(family):
    fixture, chance = Fixture(family), random.Random(family)
    fixture.peer  # the address that we listen on comes with it
    half_open = fixture.listen()
    half_open.half_open()  # older than the tracer
    crowd = Crowd(family, chance)
    crowd.act()
    with Tracer(INTERVAL, "--netns", fixture.netns.path, command="stats") as tracer:
        exact = tracer.objects()[0]["sees"]["time_wait"] == "exact"
        merged = {} if exact else {"FIN_WAIT_2": "TIME_WAIT"}
        for moment in range(MOMENTS):
            churn(family, chance.randrange(1, 60))
            for _ in range(chance.randrange(4)):
                crowd.act()
            if chance.random() < 0.5:
                half_open.half_open()
            assert any(compare(tracer, fixture.netns, merged) for _ in range(TRIES)), \
                f"something moved all the time at moment {moment}"
        seen = now_of(intervals(tracer.objects())[-1], {})
        tracer.stop()
    crowd.close()
    for state in ("LISTEN", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_2", "CLOSE_WAIT", "TIME_WAIT"):
        assert seen[state] > 0, f"nothing was in {state} to compare"


def test_counts_the_traffic_exactly():
    netns = Netns.create()
    with Tracer("1h", "--netns", netns.path, command="stats") as tracer:
        made = churn(4, 300)
        objects = tracer.stop()
    kinds = [each["type"] for each in objects]
    assert kinds == ["start", "stats", "end"], "an interval that is not over has no object"
    total = objects[1]
    assert total["total"] and total["interval_ns"] == \
        objects[2]["mono_ns"] - objects[0]["mono_ns"]
    rows = {row["state"]: row for row in total["rows"]}
    entered = {state: rows[state]["entered"] for state in rows}
    assert (entered["SYN_SENT"], entered["SYN_RECEIVED"]) == (made, made)
    assert entered["ESTABLISHED"] == rows["ESTABLISHED"]["left"] == 2 * made
    assert entered["TIME_WAIT"] == rows["TIME_WAIT"]["now"] == made
    assert entered["CLOSE_WAIT"] == rows["LAST_ACK"]["left"] == made
    dwell = rows["ESTABLISHED"]["dwell_ns"]
    assert 0 < dwell["min"] <= dwell["p50"] <= dwell["p90"] <= dwell["p99"] <= dwell["max"]


def test_it_ends_after_so_many():
    netns = Netns.create()
    with Tracer(INTERVAL, 3, "--netns", netns.path, command="stats") as tracer:
        assert ended(tracer.process) == 0
        kinds = [each["type"] for each in tracer.objects()]
    assert kinds == ["start", "stats", "stats", "stats", "stats", "end"]
    assert "total" in tracer.objects()[-2]


@pytest.mark.parametrize("by, key", (("lport", lambda port, _: str(port)),
                                     ("owner", lambda _, __: "stats-owner"),
                                     ("remote", lambda _, __: "127.0.0.1"),
                                     ("netns", lambda _, inum: str(inum))))
def test_groups(by, key):
    netns = Netns.create()
    with Tracer("1h", "--netns", netns.path, "--by", by, "--state", "LISTEN", command="stats") \
            as tracer:
        with open("/proc/self/comm", "r+", encoding="ascii") as comm:
            before = comm.read()
            comm.write("stats-owner")
        try:
            listener = socket.create_server(("127.0.0.1", 0))
        finally:
            with open("/proc/self/comm", "w", encoding="ascii") as comm:
                comm.write(before)
        rows = tracer.stop()[-2]["rows"]
    wanted = None if by == "remote" else key(listener.getsockname()[1], netns.inum)
    listener.close()
    assert [(row["key"], row["state"], row["entered"], row["now"]) for row in rows] == \
        [(wanted, "LISTEN", 1, 1)]


@pytest.mark.parametrize("older", (True, False), ids=("older", "younger"))
def test_ports_in_use(older):
    """`older`: the namespace was there before the tracer; else it is noticed by its traffic."""
    if older:
        netns = Netns.create()
        sysctl("ipv4.ip_local_port_range", "40000 40099")
        sysctl("ipv4.ip_local_reserved_ports", "40010-40019")
    with Tracer(INTERVAL, command="stats") as tracer:
        if not older:
            netns = Netns.create()
            sysctl("ipv4.ip_local_port_range", "40000 40099")
            sysctl("ipv4.ip_local_reserved_ports", "40010-40019")
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        clients = [socket.create_connection(listener.getsockname()) for _ in range(30)]
        servers = [listener.accept()[0] for _ in clients]
        for client, server in list(zip(clients, servers))[:10]:
            client.close()
            server.close()

        def settled(objects):
            uses = [use for each in intervals(objects) for use in each["ports"]
                    if use["netns"] == netns.inum and use["remote"]["port"] == port]
            return uses and uses[-1]["states"] == {"ESTABLISHED": 20, "TIME_WAIT": 10} \
                and uses[-1]
        use = wait_for(lambda: settled(tracer.objects()), "30 ports in use")
        tracer.stop()
    for each in (*clients, *servers, listener):
        each.close()
    assert (use["family"], use["local"], use["remote"]["addr"]) == \
        ("ipv4", "127.0.0.1", "127.0.0.1")
    # On loopback a port in TIME_WAIT can be taken over after a second.
    assert use["reusable"] in (0, 10), use
    assert (use["used"] + use["reusable"], use["size"]) == (30, 90), use
    assert use["range"] == {"low": 40000, "high": 40099, "reserved": 10}
