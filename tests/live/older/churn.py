"""Connections that come, go and stay in every state, until told to stop; then all holds still."""
import collections
import contextlib
import os
import random
import select
import socket
import struct
import time

from lib.child import Child
from lib.netns import Netns, ip_batch, sysctl
from lib.packet import tcp_packet
from lib.fixture import FAMILY, LOOPBACK

RESET = struct.pack("ii", 1, 0)
NOWHERE, NOBODY = "10.8.0.99", "02:00:00:00:00:99"  # nobody on the link has this address
HERE = "10.8.0.1"
REST_S = 0.0003  # else two processes make 30,000 connections a second: too many TIME_WAITs
KEEP = 15  # of each kind; then the oldest goes


class Churner:
    """One process's share of it."""

    def __init__(self, netns, family):
        netns.enter()
        random.seed(os.urandom(8))
        self.family = family
        self.listeners = [self._listen() for _ in range(2)]
        self.kept = collections.defaultdict(collections.deque)
        self.deeds = [self.client_first, self.server_first, self.abort, self.stay_open,
                      self.close_wait, self.half_close, self.not_accepted, self.new_listener]
        if family == 4:
            self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self.far_listener = self._listen(HERE)
            self.deeds += [self.half_open, self.syn_sent]

    def _listen(self, address=None):
        sock = socket.socket(FAMILY[self.family])
        sock.bind((address or LOOPBACK[self.family], 0))
        sock.listen(4096)
        return sock

    def _pair(self):
        listener = self.listeners[0]
        client = socket.socket(FAMILY[self.family])
        client.connect(listener.getsockname()[:2])
        return client, listener.accept()[0]

    def _keep(self, kind, *socks):
        """The oldest of its kind goes, so that what is kept changes all the time, too."""
        kept = self.kept[kind]
        kept.append(socks)
        while len(kept) > KEEP:
            for sock in kept.popleft():
                sock.close()

    def client_first(self):
        client, server = self._pair()
        client.close()
        server.close()

    def server_first(self):
        client, server = self._pair()
        server.close()
        client.close()

    def abort(self):
        client, server = self._pair()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        server.close()

    def stay_open(self):
        self._keep("open", *self._pair())

    def close_wait(self):
        client, server = self._pair()
        client.close()
        self._keep("close_wait", server)

    def half_close(self):
        client, server = self._pair()
        client.shutdown(socket.SHUT_WR)
        self._keep("half_closed", client, server)

    def not_accepted(self):
        """The second listener's queue is served late. Some of its clients have gone."""
        listener = self.listeners[1]
        client = socket.create_connection(listener.getsockname()[:2])
        if len(self.kept["not_accepted"]) == KEEP:
            listener.accept()[0].close()
        if random.random() < 0.5:
            client.close()
        self._keep("not_accepted", client)

    def new_listener(self):
        self._keep("listener", self._listen())

    def half_open(self):
        """A SYN from where no answer ever comes back; some take it back."""
        ports = random.randrange(1024, 65000), self.far_listener.getsockname()[1]
        seq = random.randrange(1 << 30)
        flags = ["S"] if random.random() < 0.1 else ["S", "R"]
        for number, flag in enumerate(flags):
            self.raw.sendto(tcp_packet(NOWHERE, HERE, ports, seq + number, 0, flag), (HERE, 0))

    def syn_sent(self):
        sock = socket.socket(socket.AF_INET)
        sock.setblocking(False)
        sock.connect_ex((NOWHERE, 9))
        self._keep("syn_sent", sock)

    def until_told(self, child):
        """Returns how many things were done."""
        done = 0
        while not select.select([child.channel], [], [], 0)[0]:
            random.choice(self.deeds)()
            done += 1
            time.sleep(REST_S)
        child.told()
        return done


def churn(child, netns, family):
    churner = Churner(netns, family)
    child.tell()
    child.told()
    child.tell(churner.until_told(child))
    child.told()


class Churn:
    """Two processes, one a family, in a namespace of their own. A context manager."""

    def __enter__(self):
        host = Netns.current()
        self.netns = Netns.create()
        sysctl("ipv4.conf.all.rp_filter", 0)
        sysctl("ipv4.conf.default.rp_filter", 0)
        ip_batch("link add d0 type veth peer name d1", "link set d0 up", "link set d1 up",
                 f"addr add {HERE}/24 dev d0", f"neigh add {NOWHERE} lladdr {NOBODY} dev d0")
        host.enter()
        host.close()
        self.children = [Child(lambda child, family=family: churn(child, self.netns, family))
                         for family in (4, 6)]
        try:
            self._all_told()
            self._tell_all()
        except BaseException:
            self.__exit__()
            raise
        return self

    def stop(self):
        """The sockets stay. How much was done in all."""
        self._tell_all()
        return sum(self._all_told())

    def __exit__(self, *_):
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
        self.netns.close()

    def _tell_all(self):
        for child in self.children:
            child.tell()

    def _all_told(self):
        told = [child.told() for child in self.children]
        failed = [each[1] for each in told if isinstance(each, tuple) and each[0] == "failed"]
        assert not failed, failed[0]
        return told
