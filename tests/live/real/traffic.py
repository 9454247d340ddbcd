# SPDX-License-Identifier: Apache-2.0
"""Clients of every kind that a healthy server has, concurrently, in a process of their own."""

import collections
import http.client
import socket
import struct

from lib.child import Child, repeat_until_told
from lib.patience import STALLED_S

from real.origin import IMPATIENT, PATIENT
from real.redis_client import Connection
from real.servers import LOOPBACK

REDIS = 6379
NEARLY_S = 0.6  # long, but not as long as the threshold
PAUSE_S = 0.05
CLIENTS = []


def client(function):
    CLIENTS.append(function)
    return function


class ClientContext:
    """The address family of a client, its counters, and the event that stops it."""

    def __init__(self, family, stop, count):
        self.address, self.stop, self._count = LOOPBACK[family], stop, count

    def connect(self, port=PATIENT):
        self._count["connections"] += 1
        return socket.create_connection((self.address, port), timeout=STALLED_S)

    def http(self, port=PATIENT):
        self._count["connections"] += 1
        return http.client.HTTPConnection(self.address, port, timeout=STALLED_S)

    def redis(self):
        self._count["connections"] += 1
        return Connection(self.address, REDIS)


def get(connection, path, **headers):
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer


def request(path, *headers):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: test", *headers, "", ""]).encode()


def to_the_end(sock):
    while sock.recv(65536):
        pass


def abort(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@client
def keeps_alive(context):
    connection = context.http()
    for _ in range(10):
        get(connection, "/count")
    connection.close()


@client
def asks_once(context):
    connection = context.http()
    get(connection, "/count", Connection="close")
    connection.close()


@client
def waits_until_the_server_tires(context):
    with context.connect(IMPATIENT) as sock:
        sock.sendall(request("/hello"))
        to_the_end(sock)


@client
def closes_late(context):
    """CLOSE_WAIT here and an orphaned FIN_WAIT_2 there, both nearly too long."""
    with context.connect() as sock:
        sock.sendall(request("/hello", "Connection: close"))
        to_the_end(sock)
        context.stop.wait(NEARLY_S)


@client
def half_closes(context):
    """FIN_WAIT_2 here and CLOSE_WAIT there until the slow answer has come."""
    with context.connect() as sock:
        sock.sendall(request("/slow", "Connection: close"))
        sock.shutdown(socket.SHUT_WR)
        to_the_end(sock)


@client
def gives_up_waiting(context):
    sock = context.connect()
    sock.sendall(request("/impatient"))
    context.stop.wait(0.1)
    sock.close()


@client
def aborts_while_waiting(context):
    sock = context.connect()
    sock.sendall(request("/impatient"))
    context.stop.wait(0.1)
    abort(sock)


@client
def aborts_in_the_answer(context):
    sock = context.connect()
    sock.sendall(request("/big"))
    sock.recv(1000)
    abort(sock)


@client
def reads_slowly_and_leaves(context):
    """nginx has more to send than fits when the client is gone with data unread."""
    with context.connect() as sock:
        sock.sendall(request("/big", "Connection: close"))
        sock.recv(1000)
        context.stop.wait(NEARLY_S)


@client
def says_half_a_word(context):
    sock = context.connect()
    sock.sendall(b"GET / HT")
    abort(sock)


@client
def stays_with_redis(context):
    """Until somebody kills its connection."""
    connection = context.redis()
    try:
        while not context.stop.wait(PAUSE_S):
            connection.ask("INCR", "visits")
    finally:
        connection.close()


RESIDENTS = [stays_with_redis]  # these run until they are stopped


def _repeat(function, context, count):
    while not context.stop.wait(PAUSE_S):
        try:
            function(context)
            count[function.__name__] += 1
        except (OSError, http.client.HTTPException):  # a worker was shot, a connection killed
            count["disturbed"] += 1


def _all_of_them(child, enter):
    enter()
    count = collections.Counter()

    def client(function, family):
        return lambda stop: _repeat(function, ClientContext(family, stop, count), count)

    repeat_until_told(child, [client(function, family) for function in CLIENTS for family in LOOPBACK])
    return dict(count)


class Traffic:
    """All clients, until stop()."""

    def __init__(self, netns):
        self._child = Child(lambda child: _all_of_them(child, netns.enter), b"clients")

    def stop(self):
        """{client: number of its runs}, and the number of all connections."""
        self._child.tell()
        return self._child.result()

    def kill(self):
        self._child.kill()
