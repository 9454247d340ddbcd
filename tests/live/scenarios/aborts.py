"""Connections that do not end with two FINs."""
import errno
import socket

from lib.clock import pause
from lib.conn import TCP_LINGER2
from lib.life import ANY
from lib.scenario import scenario
from lib.fixture import Skip

TCP_USER_TIMEOUT = 18


@scenario()
def linger_zero(w):
    """close() with SO_LINGER 0 sends RST, whatever was sent before."""
    c = w.client()
    c.sends(b"12345")
    pause(0.1)
    c.abort()


@scenario()
def close_with_unread_data(w):
    """RST, because the peer must not believe that its data was read."""
    c = w.client()
    c.peer_data(b"unread")
    pause(0.1)
    c.close(to="CLOSED")
    c.life.ends("reset_sent", "local")


@scenario()
def close_wait_with_unread_data(w):
    """The same after the peer's FIN: no LAST_ACK. The FIN came first, so the peer closed."""
    c = w.server()
    c.peer_data(b"unread")
    c.peer("FA", to="CLOSE_WAIT")
    pause(0.1)
    c.close(to="CLOSED")
    c.life.ends("reset_sent", "remote")


@scenario()
def data_after_shutdown_both(w):
    """shutdown(RDWR) refuses to read; data that comes then is answered with RST."""
    c = w.client()
    c.shutdown(to="FIN_WAIT_1", how=socket.SHUT_RDWR)
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(0.1)
    c.peer("A", data=b"too late", to="CLOSED")
    c.life.bytes_received = (0, len(b"too late"))
    c.life.ends("reset_sent", "local")


def _until(c, state):
    """Takes an ESTABLISHED connection to where the RST shall hit it."""
    if state in ("CLOSE_WAIT", "LAST_ACK"):
        c.peer("FA", to="CLOSE_WAIT")
    if state in ("FIN_WAIT_1", "FIN_WAIT_2", "CLOSING"):
        c.shutdown(to="FIN_WAIT_1")
        c.hears("FA")
    if state == "LAST_ACK":
        pause(0.05)
        c.close(to="LAST_ACK")
        c.hears("FA")
    if state == "FIN_WAIT_2":
        c.peer("A", to="FIN_WAIT_2")
    if state == "CLOSING":
        c.peer("FA", to="CLOSING", ack_back=1)


@scenario(established=dict(state="ESTABLISHED", first="remote"),
          close_wait=dict(state="CLOSE_WAIT", first="remote"),
          last_ack=dict(state="LAST_ACK", first="remote"),
          fin_wait_1=dict(state="FIN_WAIT_1", first="local"),
          fin_wait_2=dict(state="FIN_WAIT_2", first="local"),
          closing=dict(state="CLOSING", first="both"))
def reset_in(w, state, first):
    """The peer's RST in each state. The side that sent a FIN before the RST is the closer."""
    c = w.client()
    _until(c, state)
    pause(0.1)
    c.peer("R", to="CLOSED")
    c.life.ends("reset_received", first)


@scenario()
def reset_of_orphaned_fin_wait_1(w):
    c = w.client()
    c.close(to="FIN_WAIT_1")
    c.hears("FA")
    pause(0.1)
    c.peer("R", to="CLOSED")
    c.life.ends("reset_received", "local")


@scenario()
def reset_of_orphaned_fin_wait_2(w):
    """The RST hits the minisock, where no tracepoint of the socket sees it."""
    c = w.client()
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(0.3)
    c.peer("R", to="CLOSED")
    c.life.ends("reset_received", "local")


@scenario()
def reset_before_accept(w):
    """accept() still succeeds later, on a connection that is gone."""
    w.peer
    listener = w.listen()
    c = listener.half_open()
    c.peer("A", to="ESTABLISHED")
    pause(0.1)
    c.peer("R", to="CLOSED")
    c.life.ends("reset_received", "remote")
    pause(0.1)
    listener.accepts(c)
    c.life.owner = (None, c.life.owner)  # at the connection's end it was not accepted


@scenario()
def keepalive_gives_up(w):
    """The peer is silent; the kernel ends the connection, and sends an RST that the peer ignores."""
    sock = w.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                          (socket.TCP_KEEPCNT, 2)):
        sock.setsockopt(socket.IPPROTO_TCP, option, value)
    c = w.client(sock=sock)
    c.gone_by_timer(2)
    c.hears("RA")
    c.life.ends("timeout", "local")


@scenario()
def user_timeout(w):
    """TCP_USER_TIMEOUT: data unacknowledged for a second."""
    sock = w.socket()
    sock.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1000)
    c = w.client(sock=sock)
    c.sock.send(b"anyone?")
    # The kernel and ss also count retransmitted bytes.
    c.life.bytes_sent = tuple(len(b"anyone?") * times for times in range(1, 8))
    c.gone_by_timer(0.5)
    assert c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ETIMEDOUT
    c.life.ends("timeout", "none")


@scenario(fin_wait_1=dict(first="local"), last_ack=dict(first="remote"))
def fin_is_never_acked(w, first):
    """FIN_WAIT_1 or LAST_ACK of an orphan, until the retries are used up."""
    w.sysctl("tcp_orphan_retries", 2)
    c = w.client()
    if first == "remote":
        c.peer("FA", to="CLOSE_WAIT")
        pause(0.1)
    c.close(to="LAST_ACK" if first == "remote" else "FIN_WAIT_1")
    c.gone_by_timer(0.3)
    c.life.ends("timeout", first)


@scenario()
def linger2_of_two_seconds(w):
    """TCP_LINGER2 is this socket's own fin timeout."""
    c = w.client()
    c.sock.setsockopt(socket.IPPROTO_TCP, TCP_LINGER2, 2)
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    c.gone_by_timer(1.8)
    c.life.ends("timeout", "local")


@scenario(orphan=dict(held=False), held=dict(held=True))
def no_linger2(w, held):
    """TCP_LINGER2 < 0: an orphan skips FIN_WAIT_2."""
    c = w.client()
    c.sock.setsockopt(socket.IPPROTO_TCP, TCP_LINGER2, -1)
    if held:
        c.shutdown(to="FIN_WAIT_1")
        c.peer_acks_fin(to="FIN_WAIT_2")
        pause(0.1)
        c.close(to="CLOSED")
    else:
        c.close(to="FIN_WAIT_1")
        c.peer_acks_fin(to="FIN_WAIT_2 CLOSED")
    c.life.ends("reset_sent", "local")


# tcp_max_orphans (20c) is left out: it is one sysctl for the whole host.


@scenario(held=dict(how="held"), orphan=dict(how="orphan"), closing=dict(how="closing"))
def time_wait_overflows(w, how):
    """Tcp_max_tw_buckets: it looks like a normal close, but there is no TIME_WAIT."""
    w.sysctl("tcp_max_tw_buckets", 0)
    c = w.client()
    finish = c.close if how == "orphan" else c.shutdown
    finish(to="FIN_WAIT_1")
    c.hears("FA")
    if how == "closing":
        c.peer("FA", to="CLOSING", ack_back=1)
        pause(0.1)
        c.peer("A", to="CLOSED")
    elif how == "orphan":
        c.peer("A", to="FIN_WAIT_2 CLOSED")
    else:
        c.peer("A", to="FIN_WAIT_2")
        pause(0.1)
        c.peer("FA", to="CLOSED")
    c.life.ends("overflow", "both" if how == "closing" else "local")


@scenario(established=dict(state="ESTABLISHED"), close_wait=dict(state="CLOSE_WAIT"),
          fin_wait_2=dict(state="FIN_WAIT_2"))
def killed(w, state):
    """ss -K, on a full socket."""
    c = w.client()
    _until(c, state)
    pause(0.1)
    why_not = c.killed()
    if why_not:
        c.peer("R", to="CLOSED")
        raise Skip(f"SOCK_DESTROY: {why_not}")
    first = {"ESTABLISHED": "local", "CLOSE_WAIT": "remote", "FIN_WAIT_2": "local"}
    c.life.ends("killed", first[state])


@scenario()
def killed_orphan_in_fin_wait_2(w):
    """ss -K, on the minisock of an orphan."""
    c = w.client()
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(0.2)
    why_not = c.killed()
    if why_not:
        raise Skip(f"SOCK_DESTROY of a minisock: {why_not}")
    c.life.ends("killed", "local")


@scenario()
def killed_half_open(w):
    """ss -K, on a request. Asking for it gives it a cookie."""
    w.peer
    c = w.listen().half_open()
    pause(0.1)
    why_not = c.killed()
    if why_not:
        raise Skip(f"SOCK_DESTROY of a request: {why_not}")
    c.life.cookie = ANY
    c.life.ends("killed", ("local", "none"))
