# SPDX-License-Identifier: Apache-2.0
"""Clients of every kind that a healthy server meets, in a process of their own, many at a time."""

import collections
import http.client
import socket
import struct
import threading

from lib.child import Child
from lib.patience import STALLED_S

from real.origin import IMPATIENT, PATIENT
from real.redis_client import Connection
from real.servers import LOOPBACK

REDIS = 6379
NEARLY_S = 0.6  # long, but not as long as the threshold
PAUSE_S = 0.05
CLIENTS = []


def client(play):
    CLIENTS.append(play)
    return play


class Town:
    """Where they live: a family, and the word when to stop."""

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
def keeps_alive(town):
    connection = town.http()
    for _ in range(10):
        get(connection, "/count")
    connection.close()


@client
def asks_once(town):
    connection = town.http()
    get(connection, "/count", Connection="close")
    connection.close()


@client
def waits_until_the_server_tires(town):
    with town.connect(IMPATIENT) as sock:
        sock.sendall(request("/hello"))
        to_the_end(sock)


@client
def closes_late(town):
    """CLOSE_WAIT here and an orphaned FIN_WAIT_2 there, both nearly too long."""
    with town.connect() as sock:
        sock.sendall(request("/hello", "Connection: close"))
        to_the_end(sock)
        town.stop.wait(NEARLY_S)


@client
def half_closes(town):
    """FIN_WAIT_2 here and CLOSE_WAIT there until the slow answer has come."""
    with town.connect() as sock:
        sock.sendall(request("/slow", "Connection: close"))
        sock.shutdown(socket.SHUT_WR)
        to_the_end(sock)


@client
def gives_up_waiting(town):
    sock = town.connect()
    sock.sendall(request("/impatient"))
    town.stop.wait(0.1)
    sock.close()


@client
def aborts_while_waiting(town):
    sock = town.connect()
    sock.sendall(request("/impatient"))
    town.stop.wait(0.1)
    abort(sock)


@client
def aborts_in_the_answer(town):
    sock = town.connect()
    sock.sendall(request("/big"))
    sock.recv(1000)
    abort(sock)


@client
def reads_slowly_and_leaves(town):
    """nginx has more to send than fits when the client is gone with data unread."""
    with town.connect() as sock:
        sock.sendall(request("/big", "Connection: close"))
        sock.recv(1000)
        town.stop.wait(NEARLY_S)


@client
def says_half_a_word(town):
    sock = town.connect()
    sock.sendall(b"GET / HT")
    abort(sock)


@client
def stays_with_redis(town):
    """Until somebody kills its connection."""
    connection = town.redis()
    try:
        while not town.stop.wait(PAUSE_S):
            connection.ask("INCR", "visits")
    finally:
        connection.close()


RESIDENTS = [stays_with_redis]  # who do one thing and never come to its end


def _live(play, town, count):
    while not town.stop.wait(PAUSE_S):
        try:
            play(town)
            count[play.__name__] += 1
        except (OSError, http.client.HTTPException):  # a worker was shot, a connection killed
            count["disturbed"] += 1


def _all_of_them(child, enter):
    enter()
    stop, count = threading.Event(), collections.Counter()
    threads = [
        threading.Thread(target=_live, args=(play, Town(family, stop, count), count))
        for play in CLIENTS
        for family in LOOPBACK
    ]
    for thread in threads:
        thread.start()
    child.told()
    stop.set()
    for thread in threads:
        thread.join()
    return dict(count)


class Load:
    """Goes on until stop()."""

    def __init__(self, space):
        self._child = Child(lambda child: _all_of_them(child, space.enter), b"clients")

    def stop(self):
        """{client: how often it did its thing}, and how many connections they made in all."""
        self._child.tell()
        return self._child.result()

    def kill(self):
        self._child.kill()
