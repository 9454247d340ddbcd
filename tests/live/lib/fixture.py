"""The fixture of one scenario: a namespace of its own, its peer, and the expected connections."""
import os
import random
import socket

from . import diag
from .clock import now, timed
from .conn import Conn, cookie_of
from .life import Life, me
from .netns import Netns, has_sysctl, ip_batch, link_up, sysctl
from .patience import readable
from .peer import Flow, Peer

KERNEL_MAC, PEER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
WIRE = {4: ("10.9.0.1", "10.9.0.2"), 6: ("fd09::1", "fd09::2")}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
PORT = 8080


class Skip(Exception):
    """This kernel lacks something that the scenario needs. The text says what."""


class Fixture:
    def __init__(self, family):
        self.family = family
        self._far = Netns.create()
        self.netns = Netns.create()
        self.since_ns = now()  # until it existed, another namespace may have had its number
        self.mine, self.far = WIRE[family]  # the kernel under test, the peer
        self.lives, self.listeners, self._peer = [], [], None

    def sysctl(self, name, value):
        """net.ipv4.NAME in this namespace; those of TCP are valid for IPv6, too."""
        sysctl(f"ipv4.{name}", value)

    @property
    def peer(self):
        if self._peer is None:
            self._plug_in()
        return self._peer

    def _plug_in(self):
        far_path = f"/proc/{os.getpid()}/fd/{self._far.fd}"
        commands = [f"link add w0 address {KERNEL_MAC} type veth "
                    f"peer name w1 address {PEER_MAC} netns {far_path}",
                    "link set w0 up", "addr add 10.9.0.1/24 dev w0",
                    f"neigh add 10.9.0.2 lladdr {PEER_MAC} dev w0"]
        v6 = has_sysctl("ipv6")
        if v6:
            sysctl("ipv6.conf.default.accept_dad", 0)
            commands += ["addr add fd09::1/64 dev w0 nodad",
                         f"neigh add fd09::2 lladdr {PEER_MAC} dev w0"]
        ip_batch(*commands)
        with self._far.inside():
            if v6:
                sysctl("ipv6.conf.w1.disable_ipv6", 1)
            link_up("w1")
        mac = bytes.fromhex(KERNEL_MAC.replace(":", ""))
        self._peer = Peer(self.family, self._far, "w1", mac, self.far, self.mine)
        self._peer.wait_for_link()

    def socket(self, family=None, protocol=0):
        return socket.socket(FAMILY[family or self.family], socket.SOCK_STREAM, protocol)

    def expect(self, role, local, remote, **facts):
        """Expects one connection. All expected ones must appear, and no others."""
        family = 6 if ":" in local[0] else 4
        life = Life(role, family, local[:2], remote[:2], self.netns.inum, **facts)
        self.lives.append(life)
        return life

    # The kernel under test is the client.

    def dial(self, sock=None, life=0, port=PORT, timestamps=True):
        """connect() up to the SYN on the wire. The peer has not answered."""
        peer, sock = self.peer, sock or self.socket()
        sock.setblocking(False)
        _, at = timed(sock.connect_ex, (self.far, port))
        conn = Conn(sock, Flow(peer, port, sock.getsockname()[1], timestamps),
                    self.expect("client", sock.getsockname(), (self.far, port),
                                cookie=cookie_of(sock), life=life, opened_by="local",
                                owner=me("connect")))
        conn.life.enter("SYN_SENT", at)
        conn.hears("S")
        return conn

    def client(self, **how):
        """An ESTABLISHED connection that the kernel under test opened."""
        conn = self.dial(**how)
        conn.peer("SA", to="ESTABLISHED")
        conn.hears("A")
        return conn

    # The kernel under test is the server.

    def listen(self, address=None, port=PORT, sock=None, backlog=16):
        listener = Listener(self, sock or self.socket(), address or self.mine, port, backlog)
        self.listeners.append(listener)
        return listener

    def server(self, timestamps=True):
        """An accepted ESTABLISHED connection that the peer opened."""
        self.peer  # makes the address that we listen on
        conn = self.listen().half_open(timestamps)
        conn.peer("A", to="ESTABLISHED")
        return self.listeners[-1].accepts(conn)

    def finish(self):
        """Closes the listeners. The scenario must have given the end of every other connection."""
        for listener in self.listeners:
            if not listener.life.over:
                listener.close()
        left = [str(life) for life in self.lives if not life.over]
        if left:
            raise AssertionError(f"the scenario does not say how these end: {left}")

    def exists(self, life):
        return diag.state_of(life.local, life.remote) is not None


class Listener:
    def __init__(self, fixture, sock, address, port, backlog):
        self.fixture, self.sock, self.backlog, self.generation = fixture, sock, backlog, 0
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        self.address, self.port = sock.getsockname()[:2]
        self.listen()

    def listen(self):
        _, at = timed(self.sock.listen, self.backlog)
        wildcard = "::" if ":" in self.address else "0.0.0.0"
        self.life = self.fixture.expect("listener", (self.address, self.port), (wildcard, 0),
                                      cookie=cookie_of(self.sock), life=self.generation,
                                      owner=me("listen"))
        self.life.enter("LISTEN", at)
        self.life.ended = "closed"
        self.generation += 1

    def close(self):
        _, at = timed(self.sock.close)
        return self._over(at)

    def stop(self):
        """shutdown() ends LISTEN, but the fd stays and can listen again."""
        _, at = timed(self.sock.shutdown, socket.SHUT_RD)
        return self._over(at)

    def _over(self, at):
        self.life.closer = (me("close"), None)
        self.life.enter("CLOSED", at)
        return at

    def half_open(self, timestamps=True, peer_port=None, data=b""):
        """The peer's SYN has been answered; its ACK is missing."""
        conn = self.syn(timestamps, peer_port, data)
        conn.hears("SA")
        return conn

    def syn(self, timestamps=True, peer_port=None, data=b"", to="SYN_RECEIVED", seq=None):
        fixture = self.fixture
        port = peer_port or random.randrange(20000, 60000)
        flow = Flow(fixture.peer, port, self.port, timestamps)
        flow.seq = seq or flow.seq
        life = fixture.expect("server", (fixture.mine, self.port), (fixture.far, port), cookie=None,
                            opened_by="remote", bytes_sent=(0, None), bytes_received=(0, None))
        conn = Conn(None, flow, life)
        conn.syn_at = conn.peer("S", to, data)
        return conn

    def accepts(self, conn):
        """accept() by this process."""
        readable(self.sock, "nothing to accept")
        conn.sock, _ = self.sock.accept()
        conn.life.cookie = cookie_of(conn.sock)
        conn.life.owner = me("accept")
        return conn
