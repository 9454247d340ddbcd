"""Sockets whose every move is made by this process, between two looks at the clock."""
import socket

from lib.clock import Bracket, timed
from lib.conn import cookie_of
from lib.patience import wait_for
from lib.world import LOOPBACK

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
        """The shortest and the longest that it can have been in a state it has left; or None."""
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
    """Waits for what a segment does to a socket: on a busy machine that is not the caller's time."""
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
        """The client says that it is done. FIN_WAIT_2 against CLOSE_WAIT, until somebody acts."""
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
        """The client resets it: both ends are gone at once."""
        self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        _, at = timed(self.client.sock.close)
        self.client.enters("CLOSED", at)
        self.server.enters("CLOSED", at)
        self.server.sock.close()
        self.made += 2


class Cast:
    """Pairs that are in every stage when something happens to the tracer. In `netns`."""

    def __init__(self, netns, each=4):
        self.netns, self.each = netns, each
        with netns.inside():
            self.listener = socket.socket()
            self.listener.bind((LOOPBACK[4], 0))
            self.listener.listen(128)
            self.pairs = {name: [Pair(self.listener) for _ in range(each)]
                          for name in ("idle", "open", "half", "whole", "aborted", "stuck")}
            for name in ("half", "stuck"):
                for pair in self.pairs[name]:
                    pair.half_close()

    def act(self):
        """What happens while nobody looks."""
        with self.netns.inside():
            self.pairs["new"] = [Pair(self.listener) for _ in range(self.each)]
            self.pairs["new_half"] = [Pair(self.listener) for _ in range(self.each)]
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
        """What still can, moves, when all is quiet again; the stuck ones stay."""
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

    def actors(self):
        return [actor for pair in self.all for actor in (pair.client, pair.server)]

    def close(self):
        self.listener.close()
        for actor in self.actors():
            actor.sock.close()
