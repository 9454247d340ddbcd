"""Opening: successful, refused and abandoned connections."""
import errno
import socket

from lib.clock import pause, timed
from lib.conn import Conn, cookie_of
from lib.life import me
from lib.netns import has_sysctl
from lib.peer import Flow
from lib.scenario import scenario
from lib.fixture import LOOPBACK, PORT

TCP_FASTOPEN_CONNECT = 30


@scenario()
def simultaneous_open(w):
    """Both SYNs cross; SYN_RECEIVED is real here, and lasts."""
    c = w.dial()
    pause(0.1)
    c.peer("S", to="SYN_RECEIVED")
    c.hears("SA")
    pause(0.3)
    c.peer("A", to="ESTABLISHED")
    c.life.opened_by = "both"
    c.abort()


@scenario()
def self_connect(w):
    """A socket that talks to itself is client and peer, and its close is simultaneous."""
    sock = w.socket()
    sock.bind((LOOPBACK[w.family], 40123))
    here = sock.getsockname()[:2]
    life = w.expect("client", here, here, cookie=cookie_of(sock), opened_by="both",
                    owner=me("connect"))
    c = Conn(sock, None, life)
    _, at = timed(sock.connect, here)
    for state in ("SYN_SENT", "SYN_RECEIVED", "ESTABLISHED"):
        life.enter(state, at)
    pause(0.2)
    c.close(to="FIN_WAIT_1 CLOSING TIME_WAIT")
    life.closed_by = "both"
    c.time_wait_expires()


@scenario()
def refused(w):
    """The peer answers the SYN with RST."""
    c = w.dial()
    pause(0.1)
    c.peer("RA", to="CLOSED")
    assert c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    c.life.ends("refused", "remote")


@scenario()
def refused_on_loopback(w):
    """The RST comes within connect()."""
    sock = w.socket()
    sock.bind((LOOPBACK[w.family], 0))
    there = (LOOPBACK[w.family], 9)
    life = w.expect("client", sock.getsockname(), there, cookie=cookie_of(sock),
                    opened_by="local", owner=me("connect"))
    code, at = timed(sock.connect_ex, there)
    assert code == errno.ECONNREFUSED
    life.enter("SYN_SENT", at)
    life.enter("CLOSED", at)
    life.ends("refused", "remote")


@scenario()
def unreachable(w):
    """A router says by ICMP that there is no way."""
    w.peer
    sock = w.socket()
    sock.setblocking(False)
    _, at = timed(sock.connect_ex, (w.far, PORT))
    life = w.expect("client", sock.getsockname(), (w.far, PORT), cookie=cookie_of(sock),
                    opened_by="local", owner=me("connect"))
    life.enter("SYN_SENT", at)
    syn = w.peer.hear(lambda segment: "S" in segment.flags)
    pause(0.1)
    life.enter("CLOSED", w.peer.unreachable(syn))
    life.ends("unreachable", "none")


@scenario()
def connect_times_out(w):
    """Neither the SYN nor its two retransmissions are answered."""
    w.sysctl("tcp_syn_retries", 2)
    if has_sysctl("ipv4.tcp_syn_linear_timeouts"):
        w.sysctl("tcp_syn_linear_timeouts", 0)
    c = w.dial()
    c.gone_by_timer(6.5)
    c.life.ends("timeout", "none")
    c.life.retransmits = 2
    assert c.flow.count("S") == 2


@scenario()
def no_packet_no_connection(w):
    """Without a free port or a route nothing is sent, so there is no connection to report."""
    w.sysctl("ip_local_port_range", "40000 40000")
    c = w.client()
    for _ in range(3):
        assert w.socket().connect_ex((w.far, PORT)) == errno.EADDRNOTAVAIL
    nowhere = "198.51.100.1" if w.family == 4 else "2001:db8::1"
    assert w.socket().connect_ex((nowhere, PORT)) == errno.ENETUNREACH
    c.abort()


@scenario()
def given_up_in_syn_sent(w):
    """The application loses patience."""
    c = w.dial()
    pause(0.2)
    c.close(to="CLOSED")
    c.life.ends("closed", "none")


@scenario()
def connect_again_on_one_fd(w):
    """Refused, then accepted: one cookie, two lives."""
    c = w.dial()
    pause(0.1)
    c.peer("RA", to="CLOSED")
    c.life.ends("refused", "remote")
    assert c.sock.connect_ex((w.far, PORT)) == errno.ECONNREFUSED  # the first one's answer
    pause(0.1)
    again = w.client(sock=c.sock, life=1)
    assert again.life.cookie == c.life.cookie
    again.sends(b"second life")
    pause(0.1)
    again.abort()


@scenario()
def disconnect(w):
    """connect(AF_UNSPEC) on a live connection is an abort; the fd may live again."""
    c = w.client()
    pause(0.1)
    c.disconnect(to="CLOSED")
    c.hears("RA")
    c.life.ends("reset_sent", "local")
    c.life.closer = (None, me("close"))
    again = w.client(sock=c.sock, life=1)
    pause(0.1)
    again.abort()


@scenario()
def reconnect_while_old_time_wait_runs(w):
    """R7: a minisock and a live socket with one cookie at the same time."""
    c = w.client()
    c.shutdown(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(0.1)
    c.peer("FA", to="TIME_WAIT")
    c.life.closed_by = "local"
    pause(0.2)
    c.disconnect()
    again = w.client(sock=c.sock, life=1, port=PORT + 1)
    pause(0.2)
    again.shutdown(to="FIN_WAIT_1")
    again.peer_acks_fin(to="FIN_WAIT_2")
    again.peer("FA", to="TIME_WAIT")
    again.life.closed_by = "local"
    again.close()
    c.time_wait_expires()
    again.time_wait_expires()


@scenario()
def fastopen_connect(w):
    """SYN_SENT begins at connect(), the SYN leaves with the first data."""
    w.sysctl("tcp_fastopen", 5)  # client, and no cookie needed
    w.peer
    sock = w.socket()
    sock.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    sock.setblocking(False)  # or else send() waits for the SYN-ACK
    _, at = timed(sock.connect, (w.far, PORT))
    pause(0.2)
    sent = sock.send(b"early")
    life = w.expect("client", sock.getsockname(), (w.far, PORT), cookie=cookie_of(sock),
                    opened_by="local", owner=me("connect"))
    life.enter("SYN_SENT", at)
    life.bytes_sent = sent
    c = Conn(sock, Flow(w.peer, PORT, sock.getsockname()[1]), life)
    c.hears("S", data=b"early")
    pause(0.1)
    c.peer("SA", to="ESTABLISHED")
    c.hears("A")
    c.abort()


@scenario()
def handshake_takes_its_time(w):
    """SYN_SENT of a slow handshake, with one retransmitted SYN."""
    c = w.dial()
    c.hears("S")
    pause(0.1)
    c.peer("SA", to="ESTABLISHED")
    c.hears("A")
    c.life.retransmits = 1
    assert c.life.dwell("SYN_SENT").hi > 1_000_000_000, "the SYN was repeated too early"
    c.abort()
