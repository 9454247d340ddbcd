# SPDX-License-Identifier: Apache-2.0
"""What the demo stands on: a network namespace, named processes that end with it, the tracer."""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
SO_ATTACH_FILTER = 26

_libc = ctypes.CDLL(None, use_errno=True)


def own_network():
    """Moves this process into a network namespace that nobody else can see or reach."""
    if _libc.unshare(CLONE_NEWNET) != 0:
        sys.exit(f"demo: cannot make a network namespace: {os.strerror(ctypes.get_errno())}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def sysctl(name, value):
    """Sets one of the namespace's own; an older kernel may not know it."""
    with contextlib.suppress(FileNotFoundError):
        pathlib.Path("/proc/sys/net/ipv4", name).write_text(str(value), encoding="ascii")


def drop_what_arrives(connection):
    """A packet filter on the socket itself that lets nothing through, as a firewall would."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0), 8)  # BPF_RET 0
    program = struct.pack("HL", 1, ctypes.addressof(code))
    connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def _ends_with_us():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Cast:
    """The processes of the play, each under its own name. None outlives it.

    What such a process does may fail, a refused connect does: nobody has to hear of it.
    """

    def __init__(self):
        self._pids = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in list(self._pids):
            self.leave(pid)

    def enter(self, name, act, *args):
        pid = os.fork()
        if pid == 0:
            try:
                _ends_with_us()
                _libc.prctl(PR_SET_NAME, name.encode())
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # the director ends the play
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                act(*args)
            finally:
                os._exit(0)
        self._pids.add(pid)
        return pid

    def leave(self, pid):
        """Ends a process as `kill` would, unless it has ended by itself."""
        self._pids.discard(pid)
        os.kill(pid, signal.SIGTERM)  # not reaped yet, so the pid is still its own
        os.waitpid(pid, 0)


@contextlib.contextmanager
def tracing(command):
    """Runs the tracer until the block is left, then has it end in order."""
    if not os.access(command[0], os.X_OK):
        sys.exit(f"demo: {command[0]} is not there: ./dev build makes it")
    with tempfile.TemporaryDirectory(prefix="tcpdwell-demo-") as folder:
        ready = pathlib.Path(folder, "ready")
        tracer = subprocess.Popen([*command, "--ready-file", ready], preexec_fn=_ends_with_us)
        while not ready.exists():
            if tracer.poll() is not None:
                sys.exit(tracer.returncode or 1)  # it has said why
            time.sleep(0.02)
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
