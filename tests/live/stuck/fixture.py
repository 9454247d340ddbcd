"""Where a story about stuck sockets happens: conversations over loopback in one namespace."""
import os
import socket
from dataclasses import dataclass
from typing import NamedTuple, Optional

from lib import diag
from lib.clock import Bracket, now
from lib.conn import cookie_of
from lib.life import me
from lib.patience import wait_for
from lib.world import FAMILY, LOOPBACK


class Holder(NamedTuple):
    pid: int
    fd: int
    comm: str


def held(*fds):
    """By this very process."""
    return tuple(Holder(os.getpid(), fd if isinstance(fd, int) else fd.fileno(), me("fd").comm)
                 for fd in fds)


@dataclass
class Stuck:
    """One socket that stays in a state, and all that must be said about it."""
    state: str
    cause: Optional[str]
    family: int
    netns: int
    local: tuple
    remote: tuple
    cookie: str
    entered: Bracket
    holders: Optional[tuple]  # None: nothing is claimed
    owner: object = None  # to whom saw it being made
    role: str = "unknown"
    unread: Optional[int] = None  # bytes that the application has not read, where that is sure
    quiet: bool = True  # no segment came since then: even a latecomer can tell its age
    accept: bool = False  # it waits in an accept queue, since it `entered` that

    @property
    def flag(self):
        return "ACCEPT" if self.accept else self.state

    def __str__(self):
        return (f"{self.state} {self.cause} {self.local[0]}:{self.local[1]} "
                f"{self.remote[0]}:{self.remote[1]} cookie {self.cookie}")


class End:
    """One end of a conversation; `sock` is None while nobody has accepted it."""

    def __init__(self, stage, sock, local, remote, owner, role):
        self.stage, self.sock, self.local, self.remote = stage, sock, local, remote
        self.owner, self.role = owner, role
        self.cookie = cookie_of(sock) if sock else None

    def comes_to(self, state, since):
        """Polls until the kernel says so; the bracket of when it happened."""
        return wait_for_state(self.local, self.remote, state, since)

    def waits_for_accept(self, state, since, holders, queued):
        """Promises a flag for the time in the queue, whatever has become of it there."""
        self.comes_to(state, since)
        self.cookie = diag.cookie_of(self.local, self.remote)
        self.stage.stuck.append(
            Stuck(state, "not_accepted", self.stage.family, self.stage.netns.inum, self.local,
                  self.remote, self.cookie, queued, holders, None, self.role, accept=True))

    def gets_stuck(self, state, cause, since, holders=None, **more):
        """Promises a flag. Without `holders` it is this process, by the socket's own fd."""
        if self.cookie is None:
            self.cookie = diag.cookie_of(self.local, self.remote)
        if holders is None:
            holders = held(self.sock)
        self.stage.stuck.append(
            Stuck(state, cause, self.stage.family, self.stage.netns.inum, self.local, self.remote,
                  self.cookie, self.comes_to(state, since), holders, self.owner, self.role,
                  **more))


class Stage:
    def __init__(self, netns, family):
        netns.enter()
        self.netns, self.family, self.stuck = netns, family, []

    def listen(self, port=0, reuse_port=False, **options):
        sock = socket.socket(FAMILY[self.family])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        set_options(sock, options)
        sock.bind((LOOPBACK[self.family], port))
        sock.listen(64)
        return sock

    def talk(self, listener=None, accept=True, **client_options):
        return Talk(self, listener or self.listen(), accept, client_options)


class Talk:
    """A listener, a client, and the server's end."""

    def __init__(self, stage, listener, accept, client_options):
        self.listener = listener
        sock = socket.socket(FAMILY[stage.family])
        set_options(sock, client_options)
        there = listener.getsockname()[:2]
        began = now()
        sock.connect(there)
        self.queued = Bracket(began, now())
        here = sock.getsockname()[:2]
        self.client = End(stage, sock, here, there, me("connect"), "client")
        self.server = End(stage, None, there, here, None, "server")
        if accept:
            self.server.sock, _ = listener.accept()
            self.server.owner, self.server.cookie = me("accept"), cookie_of(self.server.sock)

    def server_waits(self, since, holders):
        """Its client has gone, and nobody accepts it."""
        self.server.waits_for_accept("CLOSE_WAIT", since, holders, self.queued)

    def client_closes(self):
        """An orphan in FIN_WAIT_2 remains; returns when it began to leave."""
        at = now()
        self.client.sock.close()
        self.client.gets_stuck("FIN_WAIT_2", "orphaned", at, holders=())
        return at

    def client_half_closes(self, **more):
        at = now()
        self.client.sock.shutdown(socket.SHUT_WR)
        self.client.gets_stuck("FIN_WAIT_2", "half_closed", at, **more)
        return at


def set_options(sock, options):
    for name, value in options.items():
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)


def wait_for_state(local, remote, state, since):
    wait_for(lambda: diag.state_of(local, remote) == diag.NUMBERS[state],
             f"{local} {remote} to be in {state}", every_s=0.002)
    return Bracket(since, now())
