# SPDX-License-Identifier: Apache-2.0
"""A backend that a program under test talks to: answers, and closes what is idle for too long."""

import selectors
import socket
import threading

from support.place import FAMILIES, LOOPBACK


class Backend:
    """One thread in the process of the test. `answer(data)` gives what a request is answered with.
    After `idle_s` without a request it closes the connection; None: the client has to.
    `with` it."""

    def __init__(self, place, port, answer, idle_s=None, family=4):
        with place.inside():
            self._listener = socket.create_server(
                (LOOPBACK[family], port), family=FAMILIES[family], backlog=128
            )
        self._answer, self._idle_s = answer, idle_s
        self._wakes, self._wake = socket.socketpair()
        self._open, self._thread = set(), threading.Thread(target=self._serve, daemon=True)
        self.accepted = self.answered = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._wake.close()
        self._thread.join()
        for sock in [self._listener, self._wakes, *self._open]:
            sock.close()

    def closes_all(self):
        """Everything that is open now, as a restart or a timeout does."""
        for sock in list(self._open):
            sock.shutdown(socket.SHUT_RDWR)  # the thread then closes it

    def _serve(self):
        with selectors.DefaultSelector() as ready:
            ready.register(self._listener, selectors.EVENT_READ)
            ready.register(self._wakes, selectors.EVENT_READ)
            while True:
                events = ready.select(self._idle_s if self._open else None)
                if not events:
                    for sock in list(self._open):
                        self._close(ready, sock)
                for key, _ in events:
                    if key.fileobj is self._wakes:
                        return
                    if key.fileobj is self._listener:
                        self._accept(ready)
                    else:
                        self._talk(ready, key.fileobj)

    def _accept(self, ready):
        sock, _ = self._listener.accept()
        self._open.add(sock)
        self.accepted += 1
        ready.register(sock, selectors.EVENT_READ)

    def _talk(self, ready, sock):
        try:
            data = sock.recv(65536)
            if data:
                sock.sendall(self._answer(data))
                self.answered += 1
                return
        except OSError:
            pass
        self._close(ready, sock)

    def _close(self, ready, sock):
        ready.unregister(sock)
        self._open.discard(sock)
        sock.close()


def http_answer(data):
    """As often as a request was read; requests are small and come in one piece."""
    count = data.count(b"\r\n\r\n")
    return b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n" * count


def echo(data):
    return data
