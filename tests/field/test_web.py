# SPDX-License-Identifier: Apache-2.0
"""Connections that look stuck and are not: websockets, and half-closed uploads that end."""

import asyncio
import pathlib
import signal
import socket

import pytest
import websockets
from lib.patience import wait_for
from lib.run import PYTHON, Run
from support.health import Health
from support.judge import leaks
from support.load import to_the_end
from support.place import LOOPBACK

PORT = 8400
PROGRAMS = pathlib.Path(__file__).with_name("programs")


def echoes(client):
    """Says something now and then, closes properly."""
    async def talk():
        client.count["connections"] += 1
        host = f"[{client.address}]" if ":" in client.address else client.address
        async with websockets.connect(f"ws://{host}:{client.port}") as connection:
            for _ in range(5):
                await connection.send("hello")
                assert await connection.recv() == "hello"
                await asyncio.sleep(0.1)

    asyncio.run(talk())


def leaves(client):
    """In the middle, without a closing frame."""
    with client.connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert b"101" in sock.recv(1000)


def test_websockets(place):
    """No flag would be right: open and quiet for most of the time, and closed when it is over."""
    with Health(place) as health:
        health.runs([PYTHON, "-I", PROGRAMS / "websocket.py", PORT],
                    lambda: place.is_served(PORT), signal.SIGTERM)
        health.load(PORT, [echoes, leaves])
        health.verdict()


def upload(seconds):
    return [PYTHON, "-I", PROGRAMS / "upload.py", str(PORT), str(seconds)]


def uploads(client):
    with client.connect() as sock:
        sock.sendall(b"x" * 100_000)
        sock.shutdown(socket.SHUT_WR)
        assert to_the_end(sock) == b"100000 bytes"


def test_uploads(place):
    """CLOSE_WAIT at the server and FIN_WAIT_2 at the client while it works on the upload: below
    every threshold, so no flag would be right. `run` has 1 s for both; the server takes longer,
    but closes all by itself: it passes."""
    with Health(place) as health:
        health.runs([*upload(1.5)], lambda: place.is_served(PORT), None)
        health.load(PORT, [uploads])
        health.verdict()


@pytest.mark.parametrize("family", LOOPBACK, ids=["ipv4", "ipv6"])
def test_long_upload(place, family):
    """The server works for longer than the threshold of `leaks`: a flag is right while it does,
    since nobody can know that it will end. `run` passes it all the same: it has closed it."""
    with Run(upload(2), preexec=place.enter) as run:
        wait_for(lambda: place.is_served(PORT), "the server")
        client = place.connect(PORT, family)
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
        answer = wait_for(lambda: told(place), "leaks to tell it")
        assert {item["flag"] for item in answer} == {"CLOSE_WAIT", "FIN_WAIT_2"}
        assert to_the_end(client) == b"1 bytes"
        client.close()
        assert leaks(place).flags == []
        done = run.done()
    assert done.status == 0, done


def told(place):
    answer = leaks(place)
    return answer.flags if len(answer.flags) == 2 else None
