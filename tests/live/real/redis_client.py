# SPDX-License-Identifier: Apache-2.0
"""Redis connections and a pool of them that behaves: it closes what the server has hung up."""

import collections
import select
import socket
import threading
import time

STALLED_S = 60  # service.py is a program of its own: lib is not there


class Connection:
    def __init__(self, address, port):
        self._sock = socket.create_connection((address, port), timeout=STALLED_S)
        self._answers = self._sock.makefile("rb")

    def close(self):
        self._answers.close()
        self._sock.close()

    def fileno(self):
        return self._sock.fileno()

    def ask(self, *words):
        """The answer as bytes. ConnectionError if the server has hung up."""
        parts = [str(word).encode() for word in words]
        self._sock.sendall(
            b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
        )
        line = self._answers.readline()
        if not line:
            raise ConnectionResetError("redis has closed")
        if line.startswith(b"-"):
            raise ValueError(line.decode())
        if line.startswith(b"$") and line != b"$-1\r\n":
            return self._answers.read(int(line[1:]) + 2)[:-2]
        return line[1:-2]


class Pool:
    """First in, first out. What the server closes while it is idle is closed soon after."""

    def __init__(self, *where):
        self._where, self._lock, self._idle = where, threading.Lock(), collections.deque()
        threading.Thread(target=self._look_after_the_idle, daemon=True).start()

    def ask(self, *words):
        while True:
            with self._lock:
                connection = self._idle.popleft() if self._idle else None
            connection = connection or Connection(*self._where)
            try:
                answer = connection.ask(*words)
            except ConnectionError:  # killed meanwhile: another one then
                connection.close()
                continue
            with self._lock:
                self._idle.append(connection)
            return answer

    def _look_after_the_idle(self):
        while True:
            time.sleep(0.1)
            with self._lock:
                # Nothing was asked, so what can be read is the end.
                ended = select.select(self._idle, [], [], 0)[0]
                for connection in ended:
                    self._idle.remove(connection)
                    connection.close()
