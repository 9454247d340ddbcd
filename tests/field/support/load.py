# SPDX-License-Identifier: Apache-2.0
"""Clients of a web server, many at a time, in a process of their own."""

import collections
import http.client
import socket
import struct

from lib.child import Child, repeat_until_told
from lib.patience import STALLED_S

from support.place import LOOPBACK

PAUSE_S = 0.02


class Client:
    """One play's means: where the server is, the word when to stop, and what it may wait for."""

    def __init__(self, port, family, stop, count):
        self.port, self.address, self.stop, self.count = port, LOOPBACK[family], stop, count

    def connect(self):
        self.count["connections"] += 1
        return socket.create_connection((self.address, self.port), timeout=STALLED_S)

    def pause(self, seconds):
        self.stop.wait(seconds)


def request(path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: test", *headers, "", ""]).encode()


def to_the_end(sock):
    data = b""
    while more := sock.recv(65536):
        data += more
    return data


def keeps_alive(client):
    client.count["connections"] += 1
    connection = http.client.HTTPConnection(client.address, client.port, timeout=STALLED_S)
    for _ in range(5):
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        answer.read()
    connection.close()


def asks_once(client):
    with client.connect() as sock:
        sock.sendall(request("/", "Connection: close"))
        assert to_the_end(sock).startswith(b"HTTP/1.1 200")


def half_closes(client):
    """A half-closed upload that ends: CLOSE_WAIT at the server until the answer is sent."""
    with client.connect() as sock:
        body = b"x" * 1000
        sock.sendall(request("/", "Connection: close", f"Content-Length: {len(body)}") + body)
        sock.shutdown(socket.SHUT_WR)
        to_the_end(sock)


def idles(client):
    with client.connect() as sock:
        client.pause(0.2)
        sock.sendall(request("/", "Connection: close"))
        to_the_end(sock)


def gives_up(client):
    with client.connect() as sock:
        sock.sendall(request("/"))


def aborts(client):
    sock = client.connect()
    sock.sendall(request("/"))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def says_nothing(client):
    client.connect().close()


WEB = (keeps_alive, asks_once, half_closes, idles, gives_up, aborts, says_nothing)


def _live(play, client):
    while not client.stop.is_set():
        try:
            play(client)
            client.count[play.__name__] += 1
        except (OSError, http.client.HTTPException) as error:
            client.count[f"{play.__name__}: {type(error).__name__}"] += 1
        client.pause(PAUSE_S)


def _all(child, place, port, plays, families):
    place.enter()
    count = collections.Counter()

    def client(play, family):
        return lambda stop: _live(play, Client(port, family, stop, count))

    repeat_until_told(child, [client(play, family) for play in plays for family in families])
    return dict(count)


class Load:
    """Goes on until stop(). `plays` are called with a Client again and again, a thread each."""

    def __init__(self, place, port, plays=WEB, families=(4, 6)):
        self._child = Child(lambda child: _all(child, place, port, plays, families), b"clients")
        self._running = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._running:
            self._child.kill()

    def stop(self):
        """{play: how often it came to its end}, and how many connections they made in all."""
        self._child.tell()
        done = self._child.result()
        self._running = False
        return done
