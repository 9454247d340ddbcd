"""Network namespaces without names. One exists while a process is in it or holds its fd.

Nothing is mounted below /run/netns, so nothing is left however the tests end.
"""
import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result, doing):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{doing}: {os.strerror(code)}")


class Netns:
    """One namespace, held by an fd. Entering moves the calling thread only."""

    def __init__(self, fd):
        self.fd = fd
        self.inum = os.fstat(fd).st_ino

    @classmethod
    def current(cls):
        return cls(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))

    @classmethod
    def create(cls):
        """A new namespace with `lo` up. The calling thread is in it afterwards."""
        _checked(_libc.unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)")
        link_up("lo")
        return cls.current()

    @property
    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def enter(self):
        _checked(_libc.setns(self.fd, CLONE_NEWNET), "setns")

    @contextlib.contextmanager
    def inside(self):
        before = Netns.current()
        self.enter()
        try:
            yield self
        finally:
            before.enter()
            before.close()

    def close(self):
        os.close(self.fd)


def link_up(name):
    """Brings a link of the calling thread's namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh22x", name.encode(), 0)
        flags = struct.unpack_from("16sh", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", name.encode(), flags | IFF_UP))


def sysctl(name, value):
    """Sets net.NAME of the calling thread's own namespace, and refuses to touch the host's."""
    if os.stat("/proc/thread-self/ns/net").st_ino == _host_inum:
        raise RuntimeError(f"net.{name} would be set for the whole host")
    with open("/proc/sys/net/" + name.replace(".", "/"), "w", encoding="ascii") as file:
        file.write(str(value))


def has_sysctl(name):
    return os.path.exists("/proc/sys/net/" + name.replace(".", "/"))


def ip_batch(*commands):
    """Runs ip(8) commands in the calling thread's namespace."""
    done = subprocess.run(["ip", "-batch", "-"], input="\n".join(commands) + "\n", text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"ip -batch: {done.stderr.strip()}")


_host_inum = os.stat("/proc/thread-self/ns/net").st_ino
