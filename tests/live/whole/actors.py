"""Sockets of this process. The clock is read before and after each of their transitions."""
import socket

from lib.clock import Bracket, timed
from lib.conn import cookie_of
from lib.patience import wait_for
from lib.fixture import LOOPBACK

TCP_FIN_WAIT2, TCP_CLOSE, TCP_CLOSE_WAIT = 5, 7, 8  # net/tcp_states.h


class Actor:
    """One local end: the states that it was in, and the bracket in which it entered each."""

    def __init__(self, sock, steps, local, remote):
        self.sock, self.steps = sock, steps
        self.cookie = cookie_of(sock) if sock else None
        self.local, self.remote = local, remote

    def __str__(self):
        return f"{self.local} was in " + ", ".join(f"{state} since {at}" for state, at in self.steps)

    def enters(self, state, at):
        self.steps.append((state, at))

    def stays(self, state):
        """The bounds of its time in a state that it has left; or None."""
        for (this, entered), (_, left) in zip(self.steps, self.steps[1:]):
            if this == state:
                return entered.until(left)
        return None

    def was_in(self, state, at_ns):
        """Whether it can have been in this state then."""
        left = [at for _, at in self.steps[1:]] + [Bracket(at_ns, at_ns)]
        return any(this == state and entered.lo <= at_ns <= gone.hi
                   for (this, entered), gone in zip(self.steps, left))


def reached(sock, state):
    """Waits until a segment has moved the socket: on a busy machine that is later than the call."""
    wait_for(lambda: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == state,
             f"{sock} to reach {state} of net/tcp_states.h", every_s=0)


def close_and_be_acked(sock, peer):
    sock.close()
    reached(peer, TCP_CLOSE)


def shut_and_be_acked(sock, peer):
    sock.shutdown(socket.SHUT_WR)
    reached(sock, TCP_FIN_WAIT2)
    reached(peer, TCP_CLOSE_WAIT)


class Pair:
    """Both ends of a conversation over loopback, and the transitions that they have made."""

    def __init__(self, listener):
        client = socket.socket()
        _, at = timed(client.connect, listener.getsockname())
        server = listener.accept()[0]
        ends = client.getsockname(), server.getsockname()
        self.client = Actor(client, [("SYN_SENT", at), ("ESTABLISHED", at)], *ends)
        self.server = Actor(server, [("SYN_RECEIVED", at), ("ESTABLISHED", at)], *ends[::-1])
        self.made = 4

    def half_close(self):
        """The client's FIN: FIN_WAIT_2 against CLOSE_WAIT, until the next call."""
        _, at = timed(shut_and_be_acked, self.client.sock, self.server.sock)
        self.client.enters("FIN_WAIT_1", at)
        self.client.enters("FIN_WAIT_2", at)
        self.server.enters("CLOSE_WAIT", at)
        self.made += 3

    def finish(self):
        """The server closes, too; TIME_WAIT is the client's."""
        _, at = timed(close_and_be_acked, self.server.sock, self.client.sock)
        self.server.enters("LAST_ACK", at)
        self.server.enters("CLOSED", at)
        self.client.enters("TIME_WAIT", at)
        self.made += 3
        self.client.sock.close()

    def abort(self):
        """The client's RST: both ends are CLOSED at once."""
        self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        _, at = timed(self.client.sock.close)
        self.client.enters("CLOSED", at)
        self.server.enters("CLOSED", at)
        self.server.sock.close()
        self.made += 2


class Actors:
    """Pairs in every phase of a connection, for losses of the tracer. In `netns`."""

    def __init__(self, netns, count=4):
        self.netns, self.count = netns, count
        with netns.inside():
            self.listener = socket.socket()
            self.listener.bind((LOOPBACK[4], 0))
            self.listener.listen(128)
            self.pairs = {name: [Pair(self.listener) for _ in range(count)]
                          for name in ("idle", "open", "half", "whole", "aborted", "stuck")}
            for name in ("half", "stuck"):
                for pair in self.pairs[name]:
                    pair.half_close()

    def act(self):
        """The transitions that the tracer loses."""
        with self.netns.inside():
            self.pairs["new"] = [Pair(self.listener) for _ in range(self.count)]
            self.pairs["new_half"] = [Pair(self.listener) for _ in range(self.count)]
        for name in ("open", "new_half"):
            for pair in self.pairs[name]:
                pair.half_close()
        for pair in self.pairs["whole"]:
            pair.half_close()
        for pair in self.pairs["half"] + self.pairs["whole"]:
            pair.finish()
        for pair in self.pairs["aborted"]:
            pair.abort()

    def go_on(self):
        """Continues all pairs but the stuck ones, after the loss."""
        for name in ("idle", "new"):
            for pair in self.pairs[name]:
                pair.half_close()
        for name in ("idle", "new", "open", "new_half"):
            for pair in self.pairs[name]:
                pair.finish()

    @property
    def all(self):
        return [pair for pairs in self.pairs.values() for pair in pairs]

    @property
    def made(self):
        """Transitions in all; the listener has made one."""
        return 1 + sum(pair.made for pair in self.all)

    def each(self):
        return [actor for pair in self.all for actor in (pair.client, pair.server)]

    def close(self):
        self.listener.close()
        for actor in self.each():
            actor.sock.close()
