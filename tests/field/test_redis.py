# SPDX-License-Identifier: Apache-2.0
"""Redis: subscribers say nothing for as long as they live, and that is no fault."""

import signal
import time

import pytest
from lib.patience import wait_for
from lib.run import Run, python
from real.needs import program
from real.redis_client import Connection
from support.health import SECONDS, Health
from support.place import LOOPBACK

PORT = 6379


def redis(folder):
    return [program("redis-server"), "--port", PORT, "--bind", *LOOPBACK.values(), "--dir", folder,
            "--save", "", "--appendonly", "no"]


def talks(client):
    connection = Connection(client.address, client.port)
    client.count["connections"] += 1
    for _ in range(10):
        connection.ask("INCR", "visits")
    connection.ask("PUBLISH", "news", "hello")
    connection.close()


def is_killed(client):
    """The server closes it while it is idle; it closes at once when it finds out."""
    connection = Connection(client.address, client.port)
    client.count["connections"] += 1
    number = int(connection.ask("CLIENT", "ID"))
    other = Connection(client.address, client.port)
    other.ask("CLIENT", "KILL", "ID", number)
    other.close()
    with pytest.raises(OSError):
        connection.ask("PING")
    connection.close()


def test_healthy(place, folder):
    """No flag would be right: neither for subscribers, ESTABLISHED and quiet, nor for those who are
    killed and close."""
    with Health(place) as health:
        health.runs(redis(folder), lambda: place.is_served(PORT), signal.SIGTERM)
        subscribers = []
        for family in LOOPBACK:
            with place.inside():
                subscribers.append(Connection(LOOPBACK[family], PORT))
            subscribers[-1].ask("SUBSCRIBE", "silence")
        health.load(PORT, [talks, is_killed])
        for subscriber in subscribers:
            subscriber.close()
        health.verdict()


SUBSCRIBER = """
import socket, sys, time
sock = socket.create_connection(("127.0.0.1", {port}))
sock.sendall(b"SUBSCRIBE news\\r\\n")
print(sock.recv(1000) and "ready", flush=True)
sock.settimeout(60)
assert b"enough" in sock.recv(1000)
sock.close()
"""


def test_run_of_a_subscriber(place, folder):
    """It waits for longer than every threshold, gets its message and ends: `run` passes it."""
    place.start(redis(folder))
    wait_for(lambda: place.is_served(PORT), "redis")
    with Run(python(SUBSCRIBER.format(port=PORT)), preexec=place.enter) as run:
        assert run.line() == "ready"
        time.sleep(min(SECONDS, 3))  # longer than the threshold of a second
        with place.inside():
            publisher = Connection(LOOPBACK[4], PORT)
        publisher.ask("PUBLISH", "news", "enough")
        publisher.close()
        done = run.done()
    assert (done.status, done.flags) == (0, []), done
