"""TIME_WAIT ended before its time, or held longer."""
import os
import socket

from lib.clock import pause, timed
from lib.loopback import Pair
from lib.netns import Netns
from lib.scenario import scenario
from lib.fixture import PORT, Skip


def _to_time_wait(c, held=False):
    """We close first; the peer answers at once."""
    (c.shutdown if held else c.close)(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(0.1)
    c.peer("FA", to="TIME_WAIT")
    c.hears("A")
    return c


@scenario(ts=dict(timestamps=True), nots=dict(timestamps=False))
def reset_in_time_wait(w, timestamps):
    """RFC 1337: a RST kills TIME_WAIT, unless tcp_rfc1337 is set."""
    c = _to_time_wait(w.client(timestamps=timestamps))
    pause(0.5)
    c.peer("R", to="CLOSED")
    c.life.ends("fin", "local", "reset")


@scenario()
def reset_is_ignored(w):
    """... and with tcp_rfc1337 it runs its course."""
    w.sysctl("tcp_rfc1337", 1)
    c = _to_time_wait(w.client())
    pause(0.5)
    c.peer("R")
    c.life.closed_by = "local"
    c.time_wait_expires()


@scenario()
def recycled_by_syn(w):
    """The same peer comes back from the same port; the listener takes it."""
    c = _to_time_wait(w.server())
    pause(0.5)
    listener = w.listeners[0]
    again = listener.syn(peer_port=c.flow.port, seq=c.flow.seq + 100_000)
    c.life.enter("CLOSED", again.syn_at)
    c.life.ends("fin", "local", "recycled")
    again.hears("SA")
    pause(0.1)
    again.peer("A", to="ESTABLISHED")
    listener.accepts(again)
    again.abort()


@scenario(auto_port=dict(bound=False), bound_port=dict(bound=True))
def reused_by_connect(w, bound):
    """tcp_tw_reuse: our own connect() takes the port back after a second."""
    w.sysctl("tcp_tw_reuse", 1)
    w.sysctl("ip_local_port_range", "40000 40000")
    first, sock = w.socket(), w.socket()
    for each in (first, sock):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    c = _to_time_wait(w.client(sock=first))
    if bound:
        sock.bind(c.life.local)
    else:
        assert w.socket().connect_ex((w.far, PORT)) != 0, "reuse within a second"
    pause(1.5)
    again = w.dial(sock=sock)
    assert again.life.local == c.life.local
    c.life.enter("CLOSED", again.life.steps[0].at)
    c.life.ends("fin", "local", "reused")
    again.peer("SA", to="ESTABLISHED")
    again.hears("A")
    again.abort()


@scenario()
def killed_in_time_wait(w):
    """ss -K."""
    c = _to_time_wait(w.client())
    pause(0.5)
    why_not = c.killed()
    if why_not:
        raise Skip(f"SOCK_DESTROY of a TIME_WAIT: {why_not}")
    c.life.ends("fin", "local", "killed")


@scenario(fin=dict(flags="FA"), data=dict(flags="A"))
def rearmed(w, flags):
    """The peer repeats its FIN (our ACK was lost): another 60 s."""
    c = _to_time_wait(w.client())
    pause(3)
    if flags == "FA":
        at = c.peer("FA", seq=c.flow.seq - 1)
    else:
        at = c.peer("A", seq=c.flow.seq - 6, data=b"again")
    c.rearmed(at)
    c.life.closed_by = "local"
    c.time_wait_expires()


@scenario(last=True)
def namespace_is_destroyed(w):
    """The namespace is removed: its TIME_WAIT ends with it, within a second or so."""
    doomed = Netns.create()
    survivor, w.netns = w.netns, doomed
    pair = Pair(w)
    at = pair.client.close(to="FIN_WAIT_1")
    pair.server.life.enter("CLOSE_WAIT", at)
    pair.client.arrives_in("FIN_WAIT_2", since=at)
    pair.server.closes_last(pair.client)
    pair.listener.close()
    pause(0.5)
    _, at = timed(_leave, doomed, survivor)
    w.netns = survivor
    for life in w.lives:
        life.last_of_netns = True
    # The kernel's worker needs a while; the TIME_WAIT cannot outlive it, nor the test see it.
    pair.client.life.enter("CLOSED", at.later(0, 5_000_000_000))
    pair.client.life.ends("fin", "local", "netns")


def _leave(doomed, survivor):
    survivor.enter()
    doomed.close()
    assert os.stat("/proc/thread-self/ns/net").st_ino == survivor.inum


@scenario()
def many_lengths(w):
    """Several on one machine, begun apart: none may have another's length."""
    for _ in range(4):
        c = _to_time_wait(w.client())
        c.life.closed_by = "local"
        c.time_wait_expires()
        pause(0.4)
