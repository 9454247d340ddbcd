# SPDX-License-Identifier: Apache-2.0
"""A small HTTP service, as a program of its own: python3 service.py JSON.

It answers every path, /count with redis; some of them have bugs as in real
services. The program prints JSON lines with the descriptors of its listeners and
the connection of each request with a bug, so that a test knows them without the tracer.
"""

import json
import os
import socket
import sys
import threading
import time

from redis_client import Pool

SLOW_S = 0.5
FOREVER = threading.Event()  # nobody sets it
LOOPBACK = {4: ("127.0.0.1", socket.AF_INET), 6: ("::1", socket.AF_INET6)}


def say(**what):
    os.write(1, json.dumps(what).encode() + b"\n")


def rename(name):
    """Of this thread; of the process where it is the leader."""
    with open("/proc/thread-self/comm", "w", encoding="ascii") as comm:
        comm.write(name)


class Service:
    """`in_line`: the thread that accepts answers, too, so a request that hangs stops it."""

    def __init__(self, comm, port, in_line, redis):
        rename(comm)
        self._in_line, self._done = in_line, []
        self._redis = Pool(LOOPBACK[4][0], redis) if redis else None
        threads = []
        for address, family in LOOPBACK.values():
            listener = socket.create_server((address, port), family=family, backlog=128)
            say(listener=listener.fileno(), address=address)
            threads.append(threading.Thread(target=self._accept, args=(listener,)))
        for thread in threads:
            thread.start()

    def _accept(self, listener):
        rename("acceptor")
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._in_line:
                self._serve(connection)
            else:
                threading.Thread(target=self._serve, args=(connection,)).start()

    def _serve(self, connection):
        if not self._in_line:
            rename("handler")
        try:
            while path := self._request(connection):
                bug = self.BUGS.get(path)
                if bug:
                    say(path=path, fd=connection.fileno(), peer=connection.getpeername()[1])
                connection.sendall(self._answer(path))
                if bug:
                    bug(self, connection)
                    return
        except ConnectionError:
            pass
        connection.close()

    @staticmethod
    def _request(connection):
        """Its path, or None at the end. Byte by byte, so that a body stays in the kernel."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = connection.recv(1)
            if not byte:
                return None
            head += byte
        return head.split()[1].decode("ascii")

    def _answer(self, path):
        body = f"hello from {path}\n".encode()
        if path == "/count":
            body = self._redis.ask("INCR", "orders")
        elif path == "/big":
            body = bytes(1_000_000)
        elif path in ("/slow", "/impatient"):
            time.sleep(SLOW_S)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def _forgets(self, connection):
        """Waits for the next request, gets the end of the stream, and does not close."""
        while self._request(connection):
            pass
        self._done.append(connection)

    def _hangs(self, _):
        """A lock that is never released; the connection is never looked at again."""
        FOREVER.wait()

    BUGS = {"/forgets": _forgets, "/hangs": _hangs, "/ignores": _hangs}


if __name__ == "__main__":
    Service(**json.loads(sys.argv[1]))
