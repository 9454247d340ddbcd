"""LISTEN and its accept queue; two families at once; MPTCP."""
import socket

from lib.clock import pause, timed
from lib.conn import Conn, cookie_of
from lib.life import ANY, me
from lib.netns import has_sysctl
from lib.scenario import scenario
from lib.fixture import FAMILY, LOOPBACK, Skip

IPPROTO_MPTCP = 262


@scenario()
def listener_closes(w):
    """LISTEN lasts from listen() to close()."""
    listener = w.listen(LOOPBACK[w.family])
    pause(0.3)
    listener.sock.listen(50)  # a longer backlog is no new life
    pause(0.1)
    listener.close()


@scenario()
def listener_lives_again(w):
    """Shutdown() ends LISTEN; the same fd listens again."""
    listener = w.listen(LOOPBACK[w.family])
    pause(0.2)
    listener.stop()
    pause(0.1)
    listener.listen()
    pause(0.1)
    listener.close()


@scenario()
def never_accepted(w):
    """Closing the listener resets the connections in its queue, which never had an owner."""
    w.peer
    listener = w.listen()
    c = listener.half_open()
    c.life.cookie = ANY
    c.peer("A", to="ESTABLISHED")
    pause(0.2)
    c.life.enter("CLOSED", listener.close())
    c.hears("RA")
    c.life.owner = c.life.closer = (None, me("close"))
    c.life.ends("reset_sent", "local")


@scenario()
def never_accepted_close_wait(w):
    """The peer has even sent its FIN already."""
    w.peer
    listener = w.listen()
    c = listener.half_open()
    c.life.cookie = ANY
    c.peer("A", to="ESTABLISHED")
    pause(0.1)
    c.peer("FA", to="CLOSE_WAIT")
    pause(0.2)
    c.life.enter("CLOSED", listener.close())
    c.life.owner = c.life.closer = (None, me("close"))
    c.life.ends("reset_sent", "remote")


@scenario(families=(4,))
def mapped(w):
    """An IPv4 client of a dual-stack server: both ends are ipv4, with plain addresses."""
    sock = w.socket(6)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server = w.listen("::", sock=sock)
    client = w.socket(4)
    _, at = timed(client.connect, (LOOPBACK[4], server.port))
    here, there = client.getsockname(), (LOOPBACK[4], server.port)
    c = Conn(client, None, w.expect("client", here, there, cookie=cookie_of(client),
                                    opened_by="local", owner=me("connect")))
    s = Conn(None, None, w.expect("server", there, here, opened_by="remote"))
    for life, state in ((c.life, "SYN_SENT"), (s.life, "SYN_RECEIVED"), (c.life, "ESTABLISHED"),
                        (s.life, "ESTABLISHED")):
        life.enter(state, at)
    server.accepts(s)
    pause(0.1)
    at = c.close(to="FIN_WAIT_1")
    s.life.enter("CLOSE_WAIT", at)
    c.arrives_in("FIN_WAIT_2", since=at)
    pause(0.1)
    s.closes_last(c)
    c.life.closed_by = "local"
    c.time_wait_expires()


@scenario(families=(4,))
def mapped_client(w):
    """The other way round: an AF_INET6 socket connects to ::ffff:127.0.0.1."""
    server = w.listen(LOOPBACK[4])
    client = w.socket(6)
    _, at = timed(client.connect, ("::ffff:127.0.0.1", server.port))
    here, there = (LOOPBACK[4], client.getsockname()[1]), (LOOPBACK[4], server.port)
    c = Conn(client, None, w.expect("client", here, there, cookie=cookie_of(client),
                                    opened_by="local", owner=me("connect")))
    s = Conn(None, None, w.expect("server", there, here, opened_by="remote"))
    for life, state in ((c.life, "SYN_SENT"), (s.life, "SYN_RECEIVED"), (c.life, "ESTABLISHED"),
                        (s.life, "ESTABLISHED")):
        life.enter(state, at)
    server.accepts(s)
    pause(0.1)
    s.life.enter("CLOSED", c.abort())
    s.life.ends("reset_received", "remote")


@scenario()
def multipath(w):
    """The subflow is the connection; the MPTCP socket above it is none."""
    if not has_sysctl("mptcp.enabled"):
        raise Skip("this kernel has no MPTCP")
    listening = socket.socket(FAMILY[w.family], socket.SOCK_STREAM, IPPROTO_MPTCP)
    server = w.listen(LOOPBACK[w.family], sock=listening)
    server.life.cookie = ANY  # SO_COOKIE is the MPTCP socket's, not the subflow's
    client = socket.socket(FAMILY[w.family], socket.SOCK_STREAM, IPPROTO_MPTCP)
    _, at = timed(client.connect, (LOOPBACK[w.family], server.port))
    ends = client.getsockname()[:2], (LOOPBACK[w.family], server.port)
    near = w.expect("client", *ends, opened_by="local", owner=me("connect"))
    far = w.expect("server", *reversed(ends), opened_by="remote", owner=me("accept"))
    for life, state in ((near, "SYN_SENT"), (far, "SYN_RECEIVED"), (near, "ESTABLISHED"),
                        (far, "ESTABLISHED")):
        life.enter(state, at)
        life.closer = ANY
        life.bytes_sent = life.bytes_received = ANY
        life.time_wait_ended = ANY
    accepted, _ = server.sock.accept()
    pause(0.2)
    client.close()
    accepted.close()
    for life in (near, far):
        Conn(None, None, life).goes_anyhow()
