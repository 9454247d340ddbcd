# SPDX-License-Identifier: Apache-2.0
"""A network namespace for real programs: a loopback and nothing else."""

import ctypes
import signal
import socket
import subprocess

from lib import ss
from lib.netns import Netns

PR_SET_PDEATHSIG = 1
TIME_WAIT, LISTEN = 6, 10  # include/net/tcp_states.h

_libc = ctypes.CDLL(None)


class ServerNetns:
    """Lives until close(), and as long as a program runs or a socket is open in it."""

    def __init__(self):
        before = Netns.current()
        try:
            self._netns = Netns.create()
        finally:
            before.enter()
            before.close()

    @property
    def inum(self):
        return self._netns.inum

    @property
    def path(self):
        return self._netns.path

    def close(self):
        """The kernel now removes the namespace with its TIME_WAIT sockets, if no process is left in it."""
        self._netns.close()

    def start(self, command, **how):
        """A child in this namespace, which gets SIGTERM when we end."""

        def enter():
            self._netns.enter()
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # a master then ends its workers

        how.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([str(part) for part in command], preexec_fn=enter, **how)

    def socket(self, family):
        with self._netns.inside():
            return socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET)

    def states(self):
        """[(local port, state)] of every TCP socket here, as the kernel numbers states."""
        found = []
        with self._netns.inside():
            for name in ("tcp", "tcp6"):
                with open(f"/proc/thread-self/net/{name}", encoding="ascii") as table:
                    for line in list(table)[1:]:
                        fields = line.split()
                        port = int(fields[1].rpartition(":")[2], 16)
                        found.append((port, int(fields[3], 16)))
        return found

    def enter(self):
        """The calling thread, and the threads that it starts."""
        self._netns.enter()

    def inside(self):
        return self._netns.inside()

    def sockets(self):
        """All sockets except those in TIME_WAIT, as ss prints them."""
        return ss.rows(self._netns, time_wait=False)

    def listens(self, port, families=2):
        return self.states().count((port, LISTEN)) == families

    def is_quiet(self):
        """Only listeners and TIME_WAIT are left."""
        return all(state in (LISTEN, TIME_WAIT) for _, state in self.states())

    def has_only_listeners(self):
        return all(state == LISTEN for _, state in self.states())

    def resets_sent(self):
        with self._netns.inside(), open("/proc/thread-self/net/snmp", encoding="ascii") as counters:
            names, values = (line.split() for line in counters if line.startswith("Tcp:"))
        return int(values[names.index("OutRsts")])
