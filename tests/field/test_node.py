# SPDX-License-Identifier: Apache-2.0
"""node, whose sockets may stay half open, and which closes nothing by itself before it exits."""

import pathlib
import socket
import subprocess

import pytest
from lib.clock import Bracket, now
from lib.patience import wait_for
from lib.run import Run
from real.needs import program
from support.health import Health
from support.judge import Judge, held, looked_at, other_end
from support.load import request, to_the_end

PORT, CLIENTS = 8200, 3
PROGRAMS = pathlib.Path(__file__).with_name("programs")


def node(script, *arguments):
    return [program("node"), PROGRAMS / script, PORT, *arguments]


def half_closes(place):
    """A client that has sent all, and waits for the other side to close."""
    client = place.connect(PORT)
    client.sendall(b"question")
    assert client.recv(100) == b"question"
    client.shutdown(socket.SHUT_WR)


def test_half_open_for_ever(place):
    """allowHalfOpen, and nobody calls end(): a flag CLOSE_WAIT is right at the server, FIN_WAIT_2
    at the clients that wait for it."""
    pid = place.start(node("half.js", "forgets"), stdin=subprocess.PIPE).pid
    wait_for(lambda: place.is_served(PORT), "node")
    with Judge(place) as judge:
        began = now()
        for _ in range(CLIENTS):
            half_closes(place)
        rows = place.wait_for_rows(CLIENTS, "CLOSE_WAIT", PORT, held_by=[pid])
        clients = place.wait_for_rows(CLIENTS, "FIN_WAIT_2", None, PORT)
        since = Bracket(began, now())
        text = judge.verdict(held("CLOSE_WAIT", "eof_read", rows, since, unread=0)
                             + held("FIN_WAIT_2", "half_closed", clients, since))
        assert looked_at(text) <= {pid}, text
        for item in judge.raised():
            if item["flag"] == "FIN_WAIT_2":
                assert other_end(item) == (pid, "CLOSE_WAIT")


@pytest.mark.parametrize("what", ["forgets", "ends"])
def test_run(place, what):
    """`run` fails the server that forgets and then exits with 0; it passes the one that ends."""
    command = [str(part) for part in node("half.js", what)]
    with Run(command, preexec=place.enter) as run:
        wait_for(lambda: place.is_served(PORT), "node")
        clients = [place.connect(PORT) for _ in range(CLIENTS)]
        for client in clients:
            client.sendall(b"question")
            assert client.recv(100) == b"question"
            client.shutdown(socket.SHUT_WR)
            if what == "ends":
                assert to_the_end(client) == b"bye"
        if what == "forgets":  # past the threshold of a second
            clients[0].settimeout(1.5)
            with pytest.raises(socket.timeout):
                clients[0].recv(1)
        done = run.done()
    flags = [(item["flag"], item["cause"], item["local"]["port"]) for item in done.flags]
    stuck = [("CLOSE_WAIT", "eof_read", PORT)] * CLIENTS
    assert (done.status, flags) == ((1, stuck) if what == "forgets" else (0, [])), done


def test_healthy(place):
    """No flag would be right."""
    with Health(place) as health:
        health.runs(node("web.js"), lambda: place.is_served(PORT), None)
        health.load(PORT)
        health.verdict()


def polls(client):
    with client.connect() as sock:
        sock.sendall(request("/poll", "Connection: close"))
        assert to_the_end(sock).startswith(b"HTTP/1.1 200")


def test_long_polls(place):
    """Both ends are ESTABLISHED for seconds and nothing is sent: no flag would be right."""
    with Health(place) as health:
        health.runs(node("web.js"), lambda: place.is_served(PORT), None)
        health.load(PORT, [polls], seconds=14)
        health.verdict()
