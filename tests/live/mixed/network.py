"""Three network namespaces, joined to each other by veth, and the kernel's view of them."""
import itertools
import os
import time

from lib import ss
from lib.clock import now
from lib.netns import Netns, has_sysctl, ip_batch, link_up, sysctl
from lib.peer import Peer
from lib.fixture import KERNEL_MAC, LOOPBACK, PEER_MAC, Skip, Fixture

NAMESPACES = 3
SETTINGS = {"tcp_fin_timeout": 3, "tcp_tw_reuse": 1, "tcp_syn_retries": 2, "tcp_synack_retries": 1,
            "tcp_orphan_retries": 2}
LINK_WIDE = {4: "10.77.{}.{}", 6: "fd77:{}::{}"}
NOBODY_HOME = 9  # the last number of an address that swallows SYNs


def _link(i, j):
    return min(i, j) * NAMESPACES + max(i, j)


class Network:
    def __init__(self):
        home = Netns.current()
        self.namespaces = []
        for _ in range(NAMESPACES):
            self.namespaces.append(Netns.create())
            home.enter()
        for i, j in itertools.combinations(range(NAMESPACES), 2):
            self._join(i, j)
        with self.namespaces[0].inside():
            self.defaults = dict(self._settings())
        home.close()

    def _join(self, i, j):
        n = _link(i, j)
        path = f"/proc/{os.getpid()}/fd/{self.namespaces[j].fd}"
        with self.namespaces[i].inside():
            ip_batch(f"link add m{n} address 02:00:00:00:{n:02x}:01 type veth "
                     f"peer name m{n} address 02:00:00:00:{n:02x}:02 netns {path}")
        for here, side, other in ((i, 1, 2), (j, 2, 1)):
            with self.namespaces[here].inside():
                for name, value in SETTINGS.items():
                    sysctl(f"ipv4.{name}", value)
                ip_batch(f"link set m{n} up", f"addr add {LINK_WIDE[4].format(n, side)}/24 dev m{n}",
                         f"addr add {LINK_WIDE[6].format(n, side)}/64 dev m{n} nodad",
                         *(f"neigh add {LINK_WIDE[family].format(n, NOBODY_HOME)} dev m{n} "
                           f"lladdr 02:00:00:00:{n:02x}:0{other}" for family in LINK_WIDE))

    @staticmethod
    def _settings():
        base = "/proc/sys/net/ipv4/"
        for name in os.listdir(base):
            if name.startswith("tcp_"):
                try:
                    with open(base + name, encoding="ascii") as file:
                        yield name, file.read().strip()
                except OSError:  # some can only be written
                    continue

    @property
    def inums(self):
        return [each.inum for each in self.namespaces]

    def address(self, where, seen_from, family, number=None):
        """Of namespace `where`, as namespace `seen_from` reaches it."""
        if where == seen_from:
            return LOOPBACK[family]
        return LINK_WIDE[family].format(_link(where, seen_from), number or (1 if where < seen_from else 2))

    def rows(self):
        """{(inum, cookie or ends): row} of all three."""
        found = {}
        for each in self.namespaces:
            for row in ss.rows(each):
                found[(each.inum, row.cookie if row.cookie.strip("0") else "", row.local,
                       row.remote)] = row
        return found

    def counters(self):
        """{inum: {name: number}} of Tcp and TcpExt."""
        found = {}
        for each in self.namespaces:
            with each.inside():
                found[each.inum] = {**_table("snmp", "Tcp:"), **_table("netstat", "TcpExt:")}
        return found

    def settled(self, at_most_s=30):
        """The counters, from a moment without activity. None: there was no such moment."""
        before, end = (self.counters(), self.rows().keys()), time.monotonic() + at_most_s
        while time.monotonic() < end:
            time.sleep(0.5)
            at = now()
            after = self.counters(), self.rows().keys()
            if after == before:
                return at, after[0]
            before = after
        return None


def _table(name, prefix):
    with open(f"/proc/thread-self/net/{name}", encoding="ascii") as file:
        lines = [line.split()[1:] for line in file if line.startswith(prefix)]
    return dict(zip(lines[0], map(int, lines[1])))


class ScenarioFixture(Fixture):
    """The fixture of one scenario: two of the three namespaces, with addresses and a link of its own.
    leave() restores the sysctls that it has set."""

    def __init__(self, network, family, here, there, number):
        self.family, self.since_ns, self._network, self._number = family, now(), network, number
        self.netns, self._far = network.namespaces[here], network.namespaces[there]
        self.mine, self.far = (addresses_of(number, side)[family] for side in (1, 2))
        self.lives, self.listeners, self._peer, self._set = [], [], None, set()
        self.netns.enter()

    def sysctl(self, name, value):
        if name not in self._network.defaults:
            raise Skip(f"{name} would affect the other scenarios")
        self._set.add(name)
        super().sysctl(name, value)

    def _plug_in(self):
        name, (mine, far) = f"s{self._number}", (addresses_of(self._number, side) for side in (1, 2))
        far_path = f"/proc/{os.getpid()}/fd/{self._far.fd}"
        ip_batch(f"link add {name} address {KERNEL_MAC} type veth peer name {name} "
                 f"address {PEER_MAC} netns {far_path}", f"link set {name} up",
                 f"addr add {mine[4]}/30 dev {name}", f"addr add {mine[6]}/64 dev {name} nodad",
                 f"neigh add {far[4]} lladdr {PEER_MAC} dev {name}",
                 f"neigh add {far[6]} lladdr {PEER_MAC} dev {name}")
        with self._far.inside():
            if has_sysctl(f"ipv6.conf.{name}"):
                sysctl(f"ipv6.conf.{name}.disable_ipv6", 1)
            link_up(name)
        mac = bytes.fromhex(KERNEL_MAC.replace(":", ""))
        self._peer = Peer(self.family, self._far, name, mac, self.far, self.mine)
        self._peer.wait_for_link()

    def leave(self):
        for name in self._set:
            super().sysctl(name, self._network.defaults[name])
        if self._peer:
            ip_batch(f"link del s{self._number}")


def addresses_of(number, side):
    """Of a scenario's link: {family: address}. Side 1 is the kernel under test."""
    return {4: f"10.{100 + (number >> 14)}.{number >> 6 & 255}.{(number & 63) * 4 + side}",
            6: f"fd09:{number:x}::{side}"}
