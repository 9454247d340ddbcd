"""The fixture of scenarios with stuck sockets: conversations over loopback in one namespace."""
import os
import socket
from dataclasses import dataclass
from typing import NamedTuple, Optional

from lib import diag
from lib.clock import Bracket, now
from lib.conn import cookie_of
from lib.life import me
from lib.patience import wait_for
from lib.fixture import FAMILY, LOOPBACK


class Holder(NamedTuple):
    pid: int
    fd: int
    comm: str


def held(*fds):
    """By this process."""
    return tuple(Holder(os.getpid(), fd if isinstance(fd, int) else fd.fileno(), me("fd").comm)
                 for fd in fds)


@dataclass
class Stuck:
    """One socket that stays in a state, and everything that must be printed about it."""
    state: str
    cause: Optional[str]
    family: int
    netns: int
    local: tuple
    remote: tuple
    cookie: str
    entered: Bracket
    holders: Optional[tuple]  # None: nothing is claimed
    owner: object = None  # known to a tracer that saw it being made
    role: str = "unknown"
    unread: Optional[int] = None  # bytes that the application has not read, where that is sure
    quiet: bool = True  # no segment came since then: a late tracer knows its age, too
    accept: bool = False  # it waits in an accept queue, since it `entered` that

    @property
    def flag(self):
        return "ACCEPT" if self.accept else self.state

    def __str__(self):
        return (f"{self.state} {self.cause} {self.local[0]}:{self.local[1]} "
                f"{self.remote[0]}:{self.remote[1]} cookie {self.cookie}")


class End:
    """One end of a conversation; `sock` is None until it is accepted."""

    def __init__(self, fixture, sock, local, remote, owner, role):
        self.fixture, self.sock, self.local, self.remote = fixture, sock, local, remote
        self.owner, self.role = owner, role
        self.cookie = cookie_of(sock) if sock else None

    def comes_to(self, state, since):
        """Waits until the kernel reports the state; returns the bracket of the time."""
        return wait_for_state(self.local, self.remote, state, since)

    def waits_for_accept(self, state, since, holders, queued):
        """Expects a flag for the time in the queue, whatever its state there."""
        self.comes_to(state, since)
        self.cookie = diag.cookie_of(self.local, self.remote)
        self.fixture.stuck.append(
            Stuck(state, "not_accepted", self.fixture.family, self.fixture.netns.inum, self.local,
                  self.remote, self.cookie, queued, holders, None, self.role, accept=True))

    def gets_stuck(self, state, cause, since, holders=None, **more):
        """Expects a flag. Without `holders` the holder is this process, by the socket's own fd."""
        if self.cookie is None:
            self.cookie = diag.cookie_of(self.local, self.remote)
        if holders is None:
            holders = held(self.sock)
        self.fixture.stuck.append(
            Stuck(state, cause, self.fixture.family, self.fixture.netns.inum, self.local, self.remote,
                  self.cookie, self.comes_to(state, since), holders, self.owner, self.role,
                  **more))


class LoopbackFixture:
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

    def __init__(self, fixture, listener, accept, client_options):
        self.listener = listener
        sock = socket.socket(FAMILY[fixture.family])
        set_options(sock, client_options)
        there = listener.getsockname()[:2]
        began = now()
        sock.connect(there)
        self.queued = Bracket(began, now())
        here = sock.getsockname()[:2]
        self.client = End(fixture, sock, here, there, me("connect"), "client")
        self.server = End(fixture, None, there, here, None, "server")
        if accept:
            self.server.sock, _ = listener.accept()
            self.server.owner, self.server.cookie = me("accept"), cookie_of(self.server.sock)

    def server_waits(self, since, holders):
        """Its client has closed, and it is not accepted."""
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
