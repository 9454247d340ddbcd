"""Half-open connections: request socks before they become sockets, and those that never do."""
import select
import socket

from lib import diag
from lib.clock import pause
from lib.scenario import scenario
from lib.fixture import PORT

TCP_FASTOPEN = 23


def _over_when_request_is_gone(c, not_before_s):
    at = diag.until_gone(lambda: diag.half_open_ports(PORT), not_before_s, every_ms=5)
    c.life.enter("CLOSED", at)


@scenario()
def ack_never_comes(w):
    """Two SYN-ACKs are repeated, then the kernel gives up. The tracepoint shows nothing."""
    w.peer
    w.sysctl("tcp_synack_retries", 2)
    c = w.listen().half_open()
    _over_when_request_is_gone(c, 6.3)
    c.life.ends("timeout", "none")
    c.life.retransmits = 2


@scenario()
def ack_comes_late(w):
    """After one repeated SYN-ACK."""
    w.peer
    listener = w.listen()
    c = listener.half_open()
    c.hears("SA")
    pause(0.5)
    c.peer("A", to="ESTABLISHED")
    listener.accepts(c)
    pause(0.1)
    c.abort()


@scenario()
def deferred_accept(w):
    """With TCP_DEFER_ACCEPT the bare ACK counts for nothing, the data does."""
    w.peer
    sock = w.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 10)
    listener = w.listen(sock=sock)
    c = listener.half_open()
    pause(0.1)
    c.peer("A")
    pause(0.4)
    c.peer("A", data=b"GET /", to="ESTABLISHED")
    c.life.bytes_received = 5
    listener.accepts(c)
    assert c.reads() == b"GET /"
    c.abort()


@scenario()
def reset_to_request(w):
    """The peer takes its SYN back."""
    w.peer
    c = w.listen().half_open()
    pause(0.1)
    c.peer("R", to="CLOSED")
    c.life.ends("reset_received", "remote")


@scenario()
def listener_closed_then_ack(w):
    """The request outlives its listener until the ACK finds no listener."""
    w.peer
    listener = w.listen()
    c = listener.half_open()
    pause(0.1)
    listener.close()
    pause(0.4)
    c.peer("A", to="CLOSED")
    c.hears("R")
    c.life.ends("dropped", ("local", "none"))


@scenario()
def listener_closed_then_nothing(w):
    """Or until its timer finds no listener."""
    w.peer
    listener = w.listen()
    c = listener.half_open()
    pause(0.1)
    listener.close()
    _over_when_request_is_gone(c, 0.3)
    c.life.ends(("dropped", "timeout"), "none")


@scenario()
def syn_cookies(w):
    """There is no request sock, so the time of the SYN is unknown."""
    w.sysctl("tcp_syncookies", 2)
    w.peer
    listener = w.listen()
    c = listener.syn(to=None)
    c.hears("SA")
    pause(0.2)
    c.peer("A", to="SYN_RECEIVED ESTABLISHED")
    c.life.begin_unknown_of = "SYN_RECEIVED"
    listener.accepts(c)
    pause(0.1)
    c.abort()


@scenario(backlog=dict(backlog=4))
def syn_queue_overflows(w, backlog):
    """Behind a full queue cookies take over; each handshake that is completed is shown."""
    w.sysctl("tcp_syncookies", 1)
    w.sysctl("tcp_synack_retries", 1)
    w.peer
    listener = w.listen(backlog=backlog)
    flood = [listener.syn(to=None) for _ in range(20)]
    for c in flood:
        c.hears("SA")
    waiting = [c for c in flood if c.life.remote[1] in diag.half_open_ports(PORT)]
    assert 0 < len(waiting) < len(flood), "the queue did not overflow"
    for c in flood:
        if c not in waiting:
            w.lives.remove(c.life)  # the kernel keeps nothing of these
    for c in waiting:
        c.life.enter("SYN_RECEIVED", c.syn_at)
        c.peer("R", to="CLOSED")
        c.life.ends("reset_received", "remote")


def _fast_open(w):
    """A server that takes data with the SYN, and one such SYN."""
    w.sysctl("tcp_fastopen", 0x202)  # server, and no cookie needed
    w.peer
    sock = w.socket()
    listener = w.listen(sock=sock)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
    c = listener.half_open(data=b"early")
    c.life.bytes_received = 5
    return listener.accepts(c)


@scenario()
def fast_open_server(w):
    """Accept() comes before the handshake ends, in a SYN_RECEIVED that is real."""
    c = _fast_open(w)
    pause(0.3)
    c.peer("A", to="ESTABLISHED")
    assert c.reads() == b"early"
    c.abort()


@scenario()
def fast_open_server_closes_first(w):
    """SYN_RECEIVED -> FIN_WAIT_1."""
    c = _fast_open(w)
    assert c.reads() == b"early"
    pause(0.1)
    c.close(to="FIN_WAIT_1")
    pause(0.1)
    c.peer("R", to="CLOSED")
    c.life.ends("reset_received", "local")


@scenario()
def many_are_accepted_in_any_order(w):
    """Requests complete in another order than they came, all to one listener."""
    w.peer
    listener = w.listen()
    pending = [listener.half_open() for _ in range(5)]
    for c in reversed(pending):
        pause(0.02)
        c.peer("A", to="ESTABLISHED")
        listener.accepts(c)
    for c in pending:
        c.abort()
    assert not select.select([listener.sock], [], [], 0)[0]
