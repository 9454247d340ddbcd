"""Both ends of a connection over loopback, in this process: what its application does, when the
kernel changed a state, and what must not arrive."""
import ctypes
import socket
import struct
import time
from typing import NamedTuple

from lib.clock import Bracket, now
from lib.conn import cookie_of

FAMILY = {4: (socket.AF_INET, "127.0.0.1"), 6: (socket.AF_INET6, "::1")}
STATES = {1: "ESTABLISHED", 2: "SYN_SENT", 4: "FIN_WAIT_1", 5: "FIN_WAIT_2", 8: "CLOSE_WAIT",
          9: "LAST_ACK"}
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
TCP_INFO_STALLED_S = 5


class Expected(NamedTuple):
    """One socket, and when it entered its state."""
    case: str
    cookie: str
    state: str
    entered: Bracket
    certain: bool  # both bounds must be close together


def state_of(sock):
    return STATES.get(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])


def acked_ago_ms(sock):
    """tcpi_last_ack_recv"""
    return struct.unpack_from("I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 60), 56)[0]


def drop_all(sock):
    """Nothing that comes for it is processed any more."""
    program = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # ret #0
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))


def keep_alive(sock):
    """Probes every second, and its acknowledgments with them."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 100)


class Pair:
    """`keepalive` is none, client, server or both."""

    def __init__(self, family, keepalive="none"):
        kind, address = FAMILY[family]
        with socket.socket(kind) as listener:
            listener.bind((address, 0))
            listener.listen(1)
            self.client = socket.socket(kind)
            self.client.connect(listener.getsockname())
            self.server = listener.accept()[0]
        if keepalive in ("client", "both"):
            keep_alive(self.client)
        if keepalive in ("server", "both"):
            keep_alive(self.server)

    def small_buffers(self):
        """The client takes little, and the server has much to send."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def fill(self):
        """The server sends until nothing more fits."""
        self.server.setblocking(False)
        try:
            while True:
                self.server.send(bytes(65536))
        except BlockingIOError:
            self.server.setblocking(True)

    def client_shuts(self):
        """The bracket holds the FIN; on loopback it arrives at once."""
        lo = now()
        self.client.shutdown(socket.SHUT_WR)
        until(self.server, "CLOSE_WAIT")
        return Bracket(lo, now())

    def half_closed(self, entered, certain=True, client_certain=True):
        """Both ends after the FIN."""
        yield expected(self.server, "CLOSE_WAIT", entered, certain)
        until(self.client, "FIN_WAIT_2")
        # Its FIN may be acknowledged up to 200 ms later.
        yield expected(self.client, "FIN_WAIT_2", Bracket(entered.lo, now()), client_certain)


def until(sock, state):
    deadline = time.monotonic() + TCP_INFO_STALLED_S
    while state_of(sock) != state:
        assert time.monotonic() < deadline, f"{state_of(sock)} instead of {state}"
        time.sleep(0.0005)


def expected(sock, state, entered, certain=True):
    return Expected("", cookie_of(sock), state, entered, certain)
