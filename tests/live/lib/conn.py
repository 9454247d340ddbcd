"""One connection between the kernel under test and the raw peer.

Each method does one thing at one end and brackets it. `to=` names the state that the kernel's end
then enters; the tracer must report it for that time.
"""
import os
import socket
import struct

from . import diag
from .clock import Bracket, SECOND, now, timed
from .life import ANY_PATH, LONGEST_TIME_WAIT_S, TIMES_OUT_OF_TIME_WAIT, me
from .patience import readable, wait_for

SO_COOKIE, TCP_LINGER2 = 57, 8


def cookie_of(sock):
    """As `ss -e` prints it after `sk:`."""
    return f"{struct.unpack('=Q', sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8))[0]:x}"


class Conn:
    def __init__(self, sock, flow, life):
        self.sock, self.flow, self.life = sock, flow, life

    # The application at the kernel's end.

    def close(self, to=None):
        """Closes the fd. Without `to` the state does not change."""
        _, at = timed(self.sock.close)
        return self._by_application(at, to)

    def shutdown(self, to=None, how=socket.SHUT_WR):
        _, at = timed(self.sock.shutdown, how)
        return self._by_application(at, to)

    def abort(self, to="CLOSED"):
        """close() with SO_LINGER 0: sends an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close(to)
        self.life.ends("reset_sent", "local")

    def disconnect(self, to=None):
        """connect() with AF_UNSPEC: the fd stays and can connect again."""
        return self._by_application(timed(unspecify, self.sock)[1], to, closer=False)

    def sends(self, data):
        self.sock.send(data)
        self.life.bytes_sent += len(data)
        if self.flow:
            self.flow.hear("A", data=data)
            self.flow.send("A")

    def reads(self, size=4096):
        readable(self.sock, "nothing arrived")
        return self.sock.recv(size)

    # The peer.

    def peer(self, flags, to=None, data=b"", **repeat):
        """The peer sends one segment."""
        at = self.flow.send(flags, data, **repeat)
        return self._enter(to, at)

    def peer_data(self, data):
        """Data that the kernel accepts."""
        self.life.bytes_received += len(data)
        return self.peer("A", data=data)

    def hears(self, flags, data=b""):
        return self.flow.hear(flags, data=data)

    def peer_acks_fin(self, to):
        self.hears("FA")
        return self.peer("A", to)

    # How it ends.

    def time_wait_expires(self, watch=False):
        """Waits for the whole TIME_WAIT. `watch` asks the kernel when it ended."""
        life = self.life
        end = TIMES_OUT_OF_TIME_WAIT
        if watch:
            end = self.until_gone(not_before_s=(life.last_arm.hi - now()) / 1e9 + 59.9, every_ms=10)
        life.enter("CLOSED", end)
        life.time_wait_ended, life.ended = "expired", "fin"

    def until_gone(self, not_before_s=0.0, every_ms=3):
        life = self.life
        return diag.until_gone(lambda: diag.state_of(life.local, life.remote) is not None,
                               not_before_s, every_ms)

    def gone_by_timer(self, not_before_s=0.0):
        """A kernel timer ends it; polls until it is gone."""
        return self._enter("CLOSED", self.until_gone(not_before_s))

    def arrives_in(self, state, since):
        """A packet of the other end causes the state: at once, or with its delayed ACK."""
        life = self.life
        wait_for(lambda: diag.state_of(life.local, life.remote) == diag.NUMBERS[state], state,
                 every_s=0.002)
        return self._enter(state, Bracket(since.lo, now()))

    def closes_last(self, other):
        """close() in CLOSE_WAIT; the other end is ours, too, so two packets end both."""
        at = self.close(to="LAST_ACK")
        other.arrives_in("TIME_WAIT", since=at)
        wait_for(lambda: diag.state_of(self.life.local, self.life.remote) is None,
                 "the end of LAST_ACK", every_s=0.002)
        self.life.ends("fin", "remote")
        return self._enter("CLOSED", Bracket(at.lo, now()))

    def killed(self):
        """As ss -K. None if the kernel does not support it."""
        code, at = timed(diag.destroy, self.life.local, self.life.remote)
        if code:
            return os.strerror(code)
        self._enter("CLOSED", at)
        return None

    def goes_anyhow(self):
        """Both ends are closed: from here on, the test only expects one chain of states to an end."""
        at = now()
        self.life.enter(ANY_PATH, Bracket(at, at + LONGEST_TIME_WAIT_S * SECOND))

    def rearmed(self, at):
        """A segment restarted TIME_WAIT's 60 s."""
        self.life.last_arm = at

    def _by_application(self, at, to, closer=True):
        if closer and not self.life.over:
            self.life.closer = me("close")
        return self._enter(to, at)

    def _enter(self, to, at):
        for state in to.split() if to else ():
            self.life.enter(state, at)
            if state == "ESTABLISHED":  # a request may have no counters, a socket has
                self.life.bytes_sent = _certain(self.life.bytes_sent)
                self.life.bytes_received = _certain(self.life.bytes_received)
        return at


def _certain(number):
    return 0 if number == (0, None) else number


def unspecify(sock):
    """Python cannot pass AF_UNSPEC to connect()."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(sock.fileno(), struct.pack("=H14x", socket.AF_UNSPEC), 16) != 0:
        raise OSError(ctypes.get_errno(), "connect(AF_UNSPEC)")
