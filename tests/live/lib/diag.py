"""The kernel's view of one TCP socket: sock_diag(7) and /proc/net/tcp.

An exact sock_diag question costs microseconds, so a test can ask every few milliseconds when a
socket that no packet ends (a timer's) is gone, and gets a bracket for it.
"""
import errno
import os
import socket
import struct
import time

from .clock import Bracket, MS, SECOND, now

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, SOCK_DESTROY, NLMSG_ERROR = 4, 20, 21, 2
NLM_F_REQUEST, NLM_F_ACK = 1, 4
LISTEN, SYN_RECV_IN_PROC = 10, "03"
NUMBERS = {"ESTABLISHED": 1, "FIN_WAIT_1": 4, "FIN_WAIT_2": 5, "TIME_WAIT": 6, "CLOSE_WAIT": 8,
           "LAST_ACK": 9, "CLOSING": 11}


def _packed(address):
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)
    return socket.inet_aton(address) + bytes(12)


def _ask(kind, flags, local, remote):
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
    body += struct.pack("!HH", local[1], remote[1]) + _packed(local[0]) + _packed(remote[0])
    body += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    header = struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as netlink:
        netlink.send(header + body)
        reply = netlink.recv(8192)
    kind, = struct.unpack_from("=H", reply, 4)
    if kind == NLMSG_ERROR:
        return -struct.unpack_from("=i", reply, 16)[0], b""
    return 0, reply[16:]


def state_of(local, remote):
    """The kernel's number of the socket's state (a minisock's substate), or None if it is gone."""
    code, reply = _ask(SOCK_DIAG_BY_FAMILY, 0, local, remote)
    if code not in (0, errno.ENOENT):
        raise OSError(code, os.strerror(code))
    return None if code or reply[1] == LISTEN else reply[1]


def cookie_of(local, remote):
    """The cookie of a socket without an fd, as `ss -e` prints it."""
    code, reply = _ask(SOCK_DIAG_BY_FAMILY, 0, local, remote)
    if code:
        raise OSError(code, os.strerror(code))
    return f"{struct.unpack_from('=Q', reply, 44)[0]:x}"


def destroy(local, remote):
    """As `ss -K`. Returns the errno: 0 if the socket was killed."""
    return _ask(SOCK_DESTROY, NLM_F_ACK, local, remote)[0]


def half_open_ports(port):
    """The peer's ports of the half-open requests to `port` of this namespace.

    Read from /proc/net, because sock_diag would generate a cookie for each request.
    """
    ports = set()
    tables = [f"/proc/thread-self/net/{name}" for name in ("tcp", "tcp6")]
    for path in filter(os.path.exists, tables):  # IPv6 may be disabled
        with open(path, encoding="ascii") as table:
            for line in table:
                fields = line.split()
                local, remote = (int(end.rpartition(":")[2], 16) for end in fields[1:3]) \
                    if fields[3] == SYN_RECV_IN_PROC else (None, None)
                if local == port:
                    ports.add(remote)
    return ports


def until_gone(exists, not_before_s=0.0, every_ms=3, at_most_s=150):
    """A bracket of the time at which `exists()` became false."""
    start = seen = now()
    if not exists():
        raise AssertionError("already gone when first asked")
    time.sleep(max(0.0, not_before_s))
    while now() < start + at_most_s * SECOND:
        asked = now()
        if not exists():
            return Bracket(seen, now())
        seen = asked
        time.sleep(every_ms * MS / SECOND)
    raise AssertionError(f"still there after {at_most_s} s")
