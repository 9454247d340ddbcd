# SPDX-License-Identifier: Apache-2.0
"""Go, whose sockets have keepalive every 15 s by default, and whose listeners MPTCP since 1.24."""

import os
import pathlib
import socket
import subprocess
import time

import pytest
from lib import patience
from lib.clock import SECOND, Bracket, now, timed
from lib.patience import wait_for
from lib.run import Run
from real.needs import program
from support.health import Health
from support.judge import Judge, dead, groups, held, leaks, looked_at
from support.place import IPPROTO_MPTCP

PORT = 8300
SOURCE = pathlib.Path(__file__).with_name("programs") / "forgetful.go"
KEEPALIVE_S = 15
FIN_TIMEOUT_S = 3  # of the namespace; an orphan is gone then, and answers a keepalive with an RST
IDLE_S = 1.0  # before the client closes, as a client of a pool does
LATE = ("CLOSE_WAIT=16s", "FIN_WAIT_2=16s", "ACCEPT=16s", "CLOSED=500ms")


@pytest.fixture(scope="module")
def forgetful(tmp_path_factory):
    made = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "GOCACHE": str(made / "cache"), "GO111MODULE": "off",
                   "GOTOOLCHAIN": "local"}
    done = patience.run([program("go"), "build", "-o", made / "forgetful", SOURCE],
                        env=environment)
    assert done.returncode == 0, done.stderr.decode()
    return made / "forgetful"


def starts(place, forgetful, what):
    if what == "mptcp":
        needs_mptcp(place)
    process = place.start([forgetful, PORT, what], stdin=subprocess.PIPE)
    wait_for(lambda: place.is_served(PORT), "the Go server")
    return process.pid


def needs_mptcp(place):
    with place.inside():
        try:
            socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP).close()
        except OSError as error:
            pytest.skip(f"this kernel has no MPTCP: {error}")


def talks(place, protocol=0, family=4):
    client = place.connect(PORT, family, protocol)
    client.sendall(b"question")
    assert client.recv(100) == b"question"
    return client


def test_never_closes(place, forgetful):
    """The probes of keepalive are answered, and must not make the sockets look young. Flags are
    right: CLOSE_WAIT at the server for the clients that wait, FIN_WAIT_2 at these clients; CLOSED
    for the client that is gone: its kernel forgot it and answered the first probe with an RST."""
    place.sysctl("ipv4.tcp_fin_timeout", FIN_TIMEOUT_S)
    pid = starts(place, forgetful, "plain")
    with Judge(place, LATE) as judge:
        began = now()
        waiting = [talks(place, family=family) for family in (4, 4, 6)]
        gone = talks(place)
        port = gone.getsockname()[1]
        time.sleep(IDLE_S)
        ended = now()
        for client in waiting:
            client.shutdown(socket.SHUT_WR)
        gone.close()
        place.wait_for_rows(4, "CLOSE_WAIT", PORT, held_by=[pid])
        place.wait_for_rows(3, "FIN_WAIT_2", held_by=[os.getpid()])
        since = Bracket(ended, now())
        wait_for(lambda: len(place.dead([pid])) == 1, "the first probe of keepalive",
                 stalled_s=KEEPALIVE_S + patience.STALLED_S)
        closed = Bracket(began + KEEPALIVE_S * SECOND, now())
        while now() < since.hi + 17 * SECOND:  # past the threshold, and just after the probes
            time.sleep(0.1)
        expected = (
            held("CLOSE_WAIT", "eof_read", place.rows("CLOSE_WAIT", PORT), since)
            + held("FIN_WAIT_2", "half_closed", place.rows("FIN_WAIT_2", None, PORT), since)
            + dead("not_closed", place.dead([pid]), closed, port)
        )
        assert [each.flag for each in expected].count("CLOSE_WAIT") == 3
        text = judge.verdict(expected, LATE)
        assert looked_at(text) <= {pid}, text
        assert len(groups(text, "CLOSED", "forgetful")) == 1, text


def test_closed_at_once(place, forgetful):
    """The FIN comes right behind the data, so that only its latest moment is known after a probe of
    keepalive: the bounds contain the truth, and where they lie far apart nobody is failed."""
    pid = starts(place, forgetful, "plain")
    client, since = timed(talks, place)
    client.shutdown(socket.SHUT_WR)
    row, = place.wait_for_rows(1, "CLOSE_WAIT", PORT, held_by=[pid])
    since = Bracket(since.lo, now())
    wait_for(lambda: now() > since.hi + (KEEPALIVE_S + 2) * SECOND, "a probe of keepalive",
             progress=now)
    answer = leaks(place, thresholds=["CLOSE_WAIT=10s"])
    item, = (item for item in answer.flags if item["flag"] == "CLOSE_WAIT")
    assert item["cookie"] == row.cookie
    assert item["error_ns"] is None
    assert item["mono_ns"] - item["dwell_ns"] >= since.lo, item
    assert item["mono_ns"] - item["at_most_ns"] <= since.hi, item
    apart = item["at_most_ns"] - item["dwell_ns"]
    assert answer.status == (item["dwell_ns"] >= 10 * SECOND or apart <= SECOND), item


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
def test_mptcp(place, forgetful, family):
    """The clients speak MPTCP, too, and close: a flag is right, although the TCP socket below stays
    ESTABLISHED. ss -M shows who is stuck."""
    pid = starts(place, forgetful, "mptcp")
    with Judge(place) as judge:
        clients = [talks(place, IPPROTO_MPTCP, family) for _ in range(2)]
        time.sleep(IDLE_S)
        began = now()
        for client in clients:
            client.close()
        wait_for(lambda: len(stuck_msks(place)) == 2, "MPTCP's CLOSE_WAIT")
        since = Bracket(began, now())
        rows = stuck_msks(place)
        text = judge.verdict(held("CLOSE_WAIT", "eof_read", rows, since))
        assert "MPTCP" in text and looked_at(text) <= {pid}, text


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
def test_mptcp_listener_with_tcp_clients(place, forgetful, family):
    """What most clients of a Go server are: the connection falls back to TCP. A flag is right, one
    for each connection."""
    pid = starts(place, forgetful, "mptcp")
    with Judge(place) as judge:
        clients = [talks(place, family=family) for _ in range(2)]
        time.sleep(IDLE_S)
        began = now()
        for client in clients:
            client.close()
        rows = place.wait_for_rows(2, "CLOSE_WAIT", PORT)
        since = Bracket(began, now())
        expected = held("CLOSE_WAIT", "eof_read", rows, since)
        assert all({holder for holder, _ in each.holders} == {pid} for each in expected)
        text = judge.verdict(expected)
        assert looked_at(text) <= {pid}, text


def stuck_msks(place):
    return [row for row in place.msks() if row.state == "CLOSE_WAIT" and row.local[1] == PORT]


@pytest.mark.parametrize("what, protocol", [("plain", 0), ("mptcp", 0), ("mptcp", IPPROTO_MPTCP)],
                         ids=["tcp", "mptcp_fell_back", "mptcp"])
def test_run(place, forgetful, what, protocol):
    """`run` fails the server: it exits with 0 and has left all open."""
    if what == "mptcp":
        needs_mptcp(place)
    with Run([str(forgetful), str(PORT), what], preexec=place.enter) as run:
        wait_for(lambda: place.is_served(PORT), "the Go server")
        for client in [talks(place, protocol) for _ in range(3)]:
            client.close()
        pause = now() + 1500 * 10**6  # past the threshold of a second
        wait_for(lambda: now() > pause, "the threshold")
        done = run.done()
    flags = [(item["flag"], item["cause"], item["local"]["port"]) for item in done.flags]
    assert (done.status, flags) == (1, [("CLOSE_WAIT", "eof_read", PORT)] * 3), done


def echoes(client):
    with client.connect() as sock:
        for _ in range(10):
            sock.sendall(b"question")
            assert sock.recv(100)


def half_closes(client):
    with client.connect() as sock:
        sock.sendall(b"x" * 10000)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass


def test_healthy(place, forgetful):
    """No flag would be right: this one closes at the end of the stream."""
    with Health(place) as health:
        health.runs([forgetful, PORT, "closes"], lambda: place.is_served(PORT), None)
        health.load(PORT, [echoes, half_closes])
        health.verdict()
