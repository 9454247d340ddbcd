"""Listeners whose queues nobody empties, for test_accept_queue.py and test_accept_trace.py."""
import json
import socket
import struct
import time

import pytest

from lib.clock import MS, now
from lib.netns import Netns
from test_behaviour import run

THRESHOLD_NS = 300 * MS
ASKED = ("--flag", "ACCEPT=300ms", "--flag", "CLOSE_WAIT=200ms")
ADDRESS = {4: "127.0.0.1", 6: "::1"}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
families = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])

@pytest.fixture
def netns():
    """The calling thread is in it."""
    host, made = Netns.current(), Netns.create()
    yield made
    host.enter()
    host.close()
    made.close()


def listen(family, backlog=16, port=0, reuse_port=False, dual=False):
    sock = socket.socket(FAMILY[family])
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not dual)
    sock.bind(("::" if dual else ADDRESS[family], port))
    sock.listen(backlog)
    return sock


def connect(listener, family=None):
    family = family or (4 if listener.family == socket.AF_INET else 6)
    return socket.create_connection((ADDRESS[family], listener.getsockname()[1]))


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def ripen(since=None):
    """Until what is queued by now, or was at `since`, is over the threshold."""
    time.sleep(max(0, (since or now()) + THRESHOLD_NS + 20 * MS - now()) / 1e9)


def look(netns, *options, status=1, asked=ASKED):
    done = run("leaks", "--netns", str(netns.inum), *asked, *map(str, options))
    assert done.returncode == status, f"status {done.returncode}, {done.stderr.decode()!r}"
    return done.stdout.decode()


def flags(netns, *options, status=1, asked=ASKED):
    lines = look(netns, "--json", *options, status=status, asked=asked)
    return [item for item in map(json.loads, lines.splitlines()) if item["type"] == "flag"]


def remote_port(sock):
    return sock.getsockname()[1]


def holding(listener, *others):
    """A child that holds the listener until it is told, and accepts nothing."""
    def job(child):
        for sock in others:
            sock.close()
        child.tell(listener.fileno())
        child.told()
    return job


def release(*children):
    for child in children:
        child.tell()
        child.result()
