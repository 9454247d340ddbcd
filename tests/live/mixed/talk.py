"""Conversations with the kernel at both ends: random calls of the socket API, in a random order."""
import array
import contextlib
import fcntl
import socket
import struct
import termios
import time
from typing import NamedTuple

from lib import diag
from lib.clock import now
from lib.conn import unspecify
from lib.fixture import FAMILY

from .network import NAMESPACES, NOBODY_HOME

BACKLOG, MOST_PARKED = 64, 40
TCP_CLOSE, STATE_AT, QUEUED_AT = 7, 0, 24  # where TCP_INFO has the state, and the accept queue


class Told(NamedTuple):
    """A fact about one socket that only the conversation knows, and no trace shows.

    "held": its descriptor was open, or was closed with an abort, when the connection ended, so it
    never became a minisock in FIN_WAIT_2. "disconnected": an RST that no counter counts.
    "closing": close() ran from `begin` to `end`. "overflows": a listener whose accept queue is full.
    """
    what: str
    netns: int
    local: tuple
    remote: tuple
    begin: int = 0
    end: int = 0


class End:
    """One end of a connection."""

    def __init__(self, talk, sock, where):
        self.talk, self.sock, self.where = talk, sock, where
        self.ends = tuple((name[0].removeprefix("::ffff:"), name[1])
                          for name in (sock.getsockname(), sock.getpeername()))

    def tell(self, what, begin=0, end=0):
        self.talk.tell(Told(what, self.where.inum, *self.ends, begin, end))

    def close(self):
        begin = now()
        if _info(self.sock)[STATE_AT] == TCP_CLOSE or _unread(self.sock):
            self.tell("held")
        self.sock.close()
        self.tell("closing", begin, now())

    def abort(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.tell("held")
        self.sock.close()

    def kill(self):
        self.tell("held")
        if _info(self.sock)[STATE_AT] != TCP_CLOSE:
            with self.where.inside():
                diag.destroy(*self.ends)
        self.sock.close()


def _info(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)


def _unread(sock):
    size = array.array("i", [0])
    fcntl.ioctl(sock, termios.FIONREAD, size)
    return size[0]


def _queued(listener):
    return struct.unpack_from("=I", _info(listener), QUEUED_AT)[0]


class Talk:
    """The conversations of one thread, one after the other."""

    def __init__(self, network, rng, tell):
        self._network, self._rng, self.tell = network, rng, tell
        self._parked = []  # (when it is closed, End or socket)

    def one(self):
        """Runs one conversation; returns its kind."""
        kinds, weights = zip(*KINDS)
        kind = self._rng.choices(kinds, weights)[0]
        with contextlib.suppress(OSError):
            kind(self)
        while self._parked and (self._parked[0][0] < time.monotonic() or
                                len(self._parked) > MOST_PARKED):
            self._parked.pop(0)[1].close()
        return kind.__name__

    def end(self):
        for _, each in self._parked:
            each.close()
        self._parked = []

    # The parts of conversations.

    def _park(self, what, most_s):
        self._parked.append((time.monotonic() + self._rng.random() * most_s, what))
        self._parked.sort(key=lambda each: each[0])

    def _pause(self, most_s):
        time.sleep(self._rng.random() * most_s)

    def _socket(self, where, family):
        with self._network.namespaces[where].inside():
            return socket.socket(FAMILY[family], socket.SOCK_STREAM)

    def _way(self, backlog=BACKLOG):
        return Way(self, self._network, self._rng, backlog)

    def _pair(self):
        """Both ends of a new connection; the listener is closed."""
        way = self._way()
        with way.listener:
            sock = way.client()
            sock.connect(way.to)
            served, _ = way.listener.accept()
        for each in (sock, served):
            each.setblocking(False)
        return [End(self, sock, way.here), End(self, served, way.there)]

    # The kinds of them.

    def chat(self):
        """Anything, by either side; then each closes, aborts, is killed, or stays for a while."""
        rng, ends = self._rng, self._pair()
        for _ in range(rng.randrange(8)):
            with contextlib.suppress(OSError):
                self._act(rng.choice(ends).sock)
        rng.shuffle(ends)
        for end in ends:
            self._finish(end)
            self._pause(0.02)

    def _act(self, sock):
        what = self._rng.choice(("send", "send", "read", "read", "some", "half", "twice", "pause"))
        if what == "send":
            sock.send(b"x" * self._rng.randrange(1, 4000))
        elif what in ("read", "some"):
            sock.recv(1 << 20 if what == "read" else 10)
        elif what in ("half", "twice"):
            for how in (socket.SHUT_WR, socket.SHUT_RDWR)[:1 + (what == "twice")]:
                sock.shutdown(how)
        else:
            self._pause(0.05)

    def _finish(self, end):
        how = self._rng.choices(("close", "drain", "abort", "kill", "later"), (4, 6, 2, 1, 2))[0]
        if how == "later":
            return self._park(end, 5)
        if how == "drain":
            with contextlib.suppress(OSError):
                end.sock.recv(1 << 20)
        return {"abort": end.abort, "kill": end.kill}.get(how, end.close)()

    def refused(self):
        way = self._way()
        way.listener.close()
        with way.client() as sock:
            sock.connect_ex(way.to)

    def unanswered(self):
        """Unanswered SYNs, until we or the kernel give up."""
        way = self._way()
        way.listener.close()
        if way.here is not way.there:
            sock = way.client()
            sock.setblocking(False)
            sock.connect_ex((way.nobody(), 80))
            self._park(sock, self._rng.choice((1, 15)))

    def overflows(self):
        """A full accept queue: further SYNs are not answered until the next accept()."""
        way, clients = self._way(backlog=1), []
        self.tell(Told("overflows", way.there.inum, way.at, ("", 0)))
        for number in range(5):
            clients.append(way.client())
            clients[-1].setblocking(False)
            clients[-1].connect_ex(way.to)
            end = time.monotonic() + 5
            while number < 2 and _queued(way.listener) <= number and time.monotonic() < end:
                time.sleep(0.001)
        self._pause(1.5)
        # Two that were let in at once would not both find room: their ACKs would count, too.
        for sock in clients[3:]:
            sock.close()
        if self._rng.random() < 0.5:
            way.listener.accept()[0].close()
            self._pause(3)
        for sock in (*clients[:3], way.listener):
            sock.close()

    def never_accepted(self):
        way = self._way()
        with way.listener:
            for _ in range(self._rng.randrange(1, 4)):
                sock = way.client()
                sock.connect(way.to)
                self._park(End(self, sock, way.here), 1)
            self._pause(0.3)

    def comes_back(self):
        """The same four numbers again, with one end in TIME_WAIT: reused, recycled, or killed."""
        way = self._way()
        with way.listener:
            sock = way.client()
            sock.connect(way.to)
            ends = [End(self, sock, way.here), End(self, way.listener.accept()[0], way.there)]
            local = ends[0].ends[0]
            if self._rng.random() < 0.4:
                ends.reverse()
            for end in ends:
                end.close()
                self._pause(0.02)
            time.sleep(self._rng.choice((0.05, 1.3)))
            if self._rng.random() < 0.3:
                with ends[0].where.inside():
                    diag.destroy(*ends[0].ends)
            with way.client(local) as again:
                again.connect(way.to)
                way.listener.accept()[0].close()

    def disconnects(self):
        client, served = self._pair()
        client.tell("disconnected")
        unspecify(client.sock)
        client.sock.close()
        self._pause(0.1)
        served.close()


class Way:
    """From one namespace to another, or to itself; with IPv4, IPv6, or a mapped address at one end."""

    def __init__(self, talk, network, rng, backlog):
        self._network, self._talk = network, talk
        self._from, self._at = rng.randrange(NAMESPACES), rng.randrange(NAMESPACES)
        self.here, self.there = network.namespaces[self._from], network.namespaces[self._at]
        family, dual = rng.choice(((4, False), (6, False), (4, True), ("mapped", False)))
        self._family = 6 if family in (6, "mapped") else 4
        self._address_family = 6 if family == 6 else 4
        self._mapped = "::ffff:" if family == "mapped" else ""
        address = network.address(self._at, self._from, self._address_family)
        self.listener = talk._socket(self._at, 6 if dual else self._address_family)
        self.listener.settimeout(2)
        if dual:
            self.listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.listener.bind(("::" if dual else address, 0))
        self.listener.listen(backlog)
        self.at = address, self.listener.getsockname()[1]
        self.to = self._mapped + address, self.at[1]

    def client(self, local=None):
        sock = self._talk._socket(self._from, self._family)
        sock.settimeout(2)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or its TIME_WAIT keeps the port
        if local:
            sock.bind((self._mapped + local[0], local[1]))
        return sock

    def nobody(self):
        return self._mapped + self._network.address(self._at, self._from, self._address_family,
                                                  NOBODY_HOME)


KINDS = ((Talk.chat, 60), (Talk.refused, 6), (Talk.unanswered, 3), (Talk.overflows, 1),
         (Talk.never_accepted, 4), (Talk.comes_back, 8), (Talk.disconnects, 2))
