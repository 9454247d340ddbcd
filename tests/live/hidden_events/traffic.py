"""Short connections between two namespaces, and processes for pid 1 to reap.

Receive packet steering hands each segment to the other CPU: its softirq interrupts whatever runs
there, which is often pid 1.
"""
import os
import random
import socket
import struct
import subprocess
import time

from lib.child import Child
from lib.netns import Netns, ip_batch, sysctl
from lib.fixture import FAMILY

WORKERS, BACKLOG = 2, 128
MOST_HELD_S, MOST_HELD = 4, 400
FIN_TIMEOUT_S = 3
ADDRESSES = {4: ("10.78.0.1", "10.78.0.2"), 6: ("fd78::1", "fd78::2")}
# The shell forks a child, whose child is an orphan, and pid 1 reaps it; sooner or later: no more than a few
# may wait for that, or nobody could fork any more.
STORM = """
number=0
while :; do
  pid=$(: >/dev/null & echo $!)
  number=$((number + 1))
  if [ $number -ge 50 ]; then
    while kill -0 $pid 2>/dev/null; do sleep 0.01; done
    number=0
  fi
done
"""


class Place:
    """Two namespaces, joined by a pair of links."""

    def __init__(self):
        home = Netns.current()
        self.namespaces = [Netns.create(), Netns.create()]
        home.enter()
        home.close()
        other = f"/proc/{os.getpid()}/fd/{self.namespaces[1].fd}"
        with self.namespaces[0].inside():
            ip_batch(f"link add h0 type veth peer name h0 netns {other}")
        for netns, v4, v6 in zip(self.namespaces, ADDRESSES[4], ADDRESSES[6]):
            with netns.inside():
                sysctl("ipv4.tcp_fin_timeout", FIN_TIMEOUT_S)
                ip_batch("link set h0 up", f"addr add {v4}/24 dev h0",
                         f"addr add {v6}/64 dev h0 nodad")
                _steer("h0")

    @property
    def inums(self):
        return [each.inum for each in self.namespaces]


def _steer(link):
    """sysfs shows the links of the namespace it was mounted in."""
    mask = f"{(1 << os.cpu_count()) - 1:x}"
    script = f"mount -t sysfs none /sys && echo {mask} >/sys/class/net/{link}/queues/rx-0/rps_cpus"
    subprocess.run(["unshare", "--mount", "sh", "-c", script], check=True)


class Storm:
    """A context manager: pid 1 has orphans to reap as long as it is entered."""

    def __enter__(self):
        self._shells = [subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "sh", "-c", STORM])
                        for _ in range(2)]
        return self

    def __exit__(self, *_):
        for shell in self._shells:
            shell.kill()
            shell.wait()


class Traffic:
    """`number` connections, made by processes of their own, `rate` a second at most."""

    def __init__(self, place, number, rate, seed):
        self._children = [Child(lambda _, which=which: _Worker(
            place, number // WORKERS, rate / WORKERS, random.Random(f"{seed} {which}")).work())
            for which in range(WORKERS)]

    def over(self):
        return all(child.ready() for child in self._children)

    def made(self):
        return sum(child.result() for child in self._children)


class _Worker:
    def __init__(self, place, number, rate, rng):
        self._place, self._number, self._rate, self._rng = place, number, rate, rng
        self._held, self._listeners = [], {}

    def work(self):
        for family in FAMILY:
            with self._place.namespaces[1].inside():
                sock = socket.socket(FAMILY[family], socket.SOCK_STREAM)
                sock.bind((ADDRESSES[family][1], 0))
                sock.listen(BACKLOG)
                self._listeners[family] = sock
        self._place.namespaces[0].enter()
        begin, made = time.monotonic(), 0
        while made < self._number:
            self._one(self._rng.choice((4, 6)))
            made += 1
            self._let_go(time.monotonic())
            time.sleep(max(0, begin + made / self._rate - time.monotonic()))
        self._let_go(float("inf"))
        return made

    def _one(self, family):
        client = socket.socket(FAMILY[family], socket.SOCK_STREAM)
        client.connect(self._listeners[family].getsockname()[:2])
        ends = [client, self._listeners[family].accept()[0]]
        if self._rng.random() < 0.5:
            ends.reverse()
        how = self._rng.choices(("both", "one", "half", "abort"), (5, 4, 2, 1))[0]
        if how == "abort":
            ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if how == "half":
            ends[0].shutdown(socket.SHUT_WR)
        else:
            ends.pop(0).close()
        if how == "both":
            ends.pop().close()
        if ends:  # their descriptors stay open for a while: the states last
            self._held.append((time.monotonic() + self._rng.random() * MOST_HELD_S, ends))
            self._held.sort(key=lambda each: each[0])

    def _let_go(self, now):
        while self._held and (self._held[0][0] < now or len(self._held) > MOST_HELD):
            for sock in self._held.pop(0)[1]:
                sock.close()
