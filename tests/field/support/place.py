# SPDX-License-Identifier: Apache-2.0
"""A network namespace, the programs that run in it, and what the kernel says of its sockets."""

import contextlib
import os
import signal
import socket
from typing import NamedTuple

from lib import ss
from lib.netns import sysctl
from lib.patience import STALLED_S, Stalled, ended, wait_for
from real.netns import LISTEN, ServerNetns

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
IPPROTO_MPTCP = 262


class Dead(NamedTuple):
    """A TCP socket that no table of the kernel has any more, but a process."""

    inode: int
    holders: frozenset  # of (pid, fd)


class Place(ServerNetns):
    """Ends what was started in it. `with` it."""

    def __init__(self):
        super().__init__()
        self._started, self._clients = [], contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._clients.close()
        for process in reversed(self._started):
            stop(process)
        for pid in self.processes():  # a worker that hangs survives its master
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.close()

    def start(self, command, **how):
        """In a process group of its own: Apache ends with SIGTERM whoever is in it with it."""
        process = super().start(command, start_new_session=True, **how)
        self._started.append(process)
        return process

    def sysctl(self, name, value):
        with self.inside():
            sysctl(name, value)

    def connect(self, port, family=4, protocol=0):
        """A client of the test's own, closed at the end of the test at the latest."""
        with self.inside():
            sock = socket.socket(FAMILIES[family], socket.SOCK_STREAM, protocol)
        self._clients.enter_context(contextlib.closing(sock))
        sock.settimeout(STALLED_S)
        sock.connect((LOOPBACK[family], port))
        return sock

    def listener(self, port, family=4, backlog=128):
        """A server of the test's own; Accepting to serve it."""
        with self.inside():
            sock = socket.create_server(
                (LOOPBACK[family], port), family=FAMILIES[family], backlog=backlog
            )
        self._clients.enter_context(contextlib.closing(sock))
        return sock

    def is_served(self, port):
        return (port, LISTEN) in self.states()

    def processes(self):
        """The pids of all that run in it."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{pid}/ns/net").st_ino == self.inum:
                    found.append(int(pid))
        return found

    def rows(self, state, local=None, remote=None, held_by=None):
        """ss's rows of this state, of these ports, that one of these pids has a descriptor of."""
        inodes = None if held_by is None else {
            inode for inode, holders in descriptors(held_by).items() if holders
        }
        return [
            row
            for row in self.sockets()
            if row.state == state
            and (local is None or row.local[1] == local)
            and (remote is None or row.remote[1] == remote)
            and (inodes is None or row.inode in inodes)
        ]

    def wait_for_rows(self, number, state, *which, **more):
        """rows(), once there are so many: an acknowledgment may be late by 40 ms."""
        wait_for(lambda: len(self.rows(state, *which, **more)) == number, f"{number} {state}",
                 lambda: [row[:3] for row in self.sockets()])
        return self.rows(state, *which, **more)

    def waiting(self, port):
        """Those that nobody has accepted: they have no file yet."""
        return [
            row
            for row in self.sockets()
            if row.local[1] == port and row.inode == 0
            and row.state in ("ESTABLISHED", "CLOSE_WAIT")
        ]

    def queue(self, port, family=4):
        """(length, backlog) as ss prints them of a listener."""
        row = next(
            row for row in self.sockets()
            if row.state == "LISTEN" and row.local == (LOOPBACK[family], port)
        )
        return row.unread, row.unsent

    def msks(self):
        """MPTCP's sockets; those of TCP below them have no file."""
        return ss.rows(self._netns, time_wait=False, mptcp=True)

    def dead(self, pids):
        """What these processes hold of TCP and ss does not list any more."""
        listed = {row.inode for row in [*self.sockets(), *self.msks()]}
        return [
            Dead(inode, frozenset(holders))
            for inode, holders in descriptors(pids, only_tcp=True).items()
            if inode not in listed
        ]


def descriptors(pids=None, only_tcp=False):
    """{inode: [(pid, fd)]} of the sockets that these processes hold; None: all of this host."""
    found = {}
    for pid in pids if pids is not None else filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    link = os.readlink(f"/proc/{pid}/fd/{fd}")
                    if link.startswith("socket:[") and not (only_tcp and not is_tcp(pid, fd)):
                        found.setdefault(int(link[8:-1]), []).append((int(pid), int(fd)))
    return found


def is_tcp(pid, fd):
    """As lsof finds out."""
    return os.getxattr(f"/proc/{pid}/fd/{fd}", "system.sockprotoname").startswith(b"TCP")


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            ended(process)
        except Stalled:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()
