"""A TCP peer in user space over AF_PACKET: the test chooses every segment.

The kernel under test has one end of a veth pair; the other end is in a namespace without any
address, so that only this code answers. Each segment is followed by a ping: veth keeps
the order, so at the answer the kernel has processed the segment. The bracket
of a send ends with the kernel's time stamp of that answer, not with the time of the read.
"""
import collections
import os
import random
import socket
import struct
import time

from . import packet
from .clock import Bracket, now
from .patience import STALLED_S, wait_for

ETH_IP, ETH_IPV6, ETH_ALL = 0x0800, 0x86DD, 0x0003
SO_TIMESTAMPNS, PACKET_OUTGOING = 35, 4
ECHO = {4: (8, 0), 6: (128, 129)}
UNREACHABLE = {4: (3, 1), 6: (1, 0)}  # host unreachable, no route to destination


class Peer:
    """The far end of the wire. `family` is 4 or 6."""

    def __init__(self, family, netns, link, mac, mine, theirs):
        self.family, self.mine, self.theirs = family, mine, theirs
        with netns.inside():
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_ALL))
        self._sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._sock.bind((link, ETH_ALL))
        self._to = (link, ETH_IP if family == 4 else ETH_IPV6, 0, 0, mac)
        self._heard = collections.deque()
        self._times_sent = collections.Counter()
        self._pings = 0
        # One CPU, so that a segment and the ping after it are in one queue.
        os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})

    def send(self, raw):
        """Sends an IP packet; the bracket holds the moment when the kernel processed it."""
        lo = now()
        self._sock.sendto(raw, self._to)
        return Bracket(lo, self._fence())

    def hear(self, wanted, timeout=STALLED_S):
        """The next segment that `wanted(segment)` accepts; earlier ones are dropped."""
        deadline = time.monotonic() + timeout
        while True:
            while self._heard:
                segment = self._heard.popleft()
                if wanted(segment):
                    return segment
            self._read(deadline, "no such segment came from the kernel")

    def repeats(self, sport, dport):
        """The number of segments of a connection that the kernel has retransmitted."""
        return sum(times - 1 for key, times in self._times_sent.items() if key[:2] == (sport, dport))

    def unreachable(self, segment):
        """Sends the kernel an ICMP error for a segment of its own."""
        kind, code = UNREACHABLE[self.family]
        return self.send(packet.icmp_packet(self.mine, self.theirs, kind, code,
                                            bytes(4) + segment.raw[:60]))

    def wait_for_link(self):
        """A link that has just come up drops packets until the kernel's link watch has run."""
        wait_for(self._answers, "the link to the kernel under test", every_s=0)

    def _answers(self):
        try:
            return self._fence(timeout=0.02)
        except TimeoutError:
            return None

    def _fence(self, timeout=STALLED_S):
        self._pings += 1
        request, reply = ECHO[self.family]
        body = struct.pack("!HH", os.getpid() & 0xFFFF, self._pings & 0xFFFF)
        self._sock.sendto(packet.icmp_packet(self.mine, self.theirs, request, 0, body), self._to)
        deadline = time.monotonic() + timeout
        while True:
            message, at_ns = self._read(deadline, "the kernel did not answer a ping")
            if message[:1] == bytes([reply]) and message[4:8] == body:
                return at_ns

    def _read(self, deadline, what_failed):
        """One packet off the wire. TCP is kept for hear(), anything else is returned."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(what_failed)
        self._sock.settimeout(left)
        try:
            raw, control, _, address = self._sock.recvmsg(65536, 128)
        except (socket.timeout, BlockingIOError):
            raise TimeoutError(what_failed) from None
        at_ns = _monotonic(control)
        if address[2] == PACKET_OUTGOING or address[1] not in (ETH_IP, ETH_IPV6):
            return b"", at_ns
        segment = packet.parse_tcp(raw, at_ns)
        if segment is not None:
            self._heard.append(segment)
            if segment.length:
                self._times_sent[segment.sport, segment.dport, segment.seq] += 1
            return b"", at_ns
        return packet.split_ip(raw)[3], at_ns


def _monotonic(control):
    """The kernel's receive time stamp, which is wall-clock time, as CLOCK_MONOTONIC.

    An interruption between the two clock reads gives a wrong offset, so the closest pair is used.
    """
    read_at, (_, offset) = now(), min(_clock_pair() for _ in range(5))
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("@ll", data[:16])
            return min(read_at, seconds * 1_000_000_000 + nanoseconds - offset)
    return read_at


def _clock_pair():
    """(how long it took to read both, CLOCK_REALTIME - CLOCK_MONOTONIC at the earliest)."""
    before = now()
    wall = time.clock_gettime_ns(time.CLOCK_REALTIME)
    return now() - before, wall - before


class Flow:
    """The peer's side of one TCP connection: its sequence numbers and its time stamps."""

    def __init__(self, peer, port, kernel_port, timestamps=True):
        self.peer, self.port, self.kernel_port = peer, port, kernel_port
        self.timestamps = timestamps
        self.seq = random.randrange(1 << 30)
        self.ack = 0
        self._echo = 0

    def send(self, flags, data=b"", seq=None, ack_back=0):
        """`seq` repeats something older; `ack_back` leaves that much of what was heard unacked."""
        start = self.seq if seq is None else seq
        stamps = (now() // 1_000_000 & 0xFFFFFFFF, self._echo) if self.timestamps else None
        ack = self.ack - ack_back if "A" in flags else 0
        raw = packet.tcp_packet(self.peer.mine, self.peer.theirs, (self.port, self.kernel_port),
                                start, ack, flags, data, stamps)
        if seq is None:
            self.seq += len(data) + len(set(flags) & {"S", "F"})
        return self.peer.send(raw)

    def repeats(self):
        """The number of segments that the kernel has retransmitted because the peer was slow."""
        return self.peer.repeats(self.kernel_port, self.port)

    def hear(self, flags, timeout=STALLED_S, data=b""):
        """Waits for the kernel's next segment with exactly these flags and this payload.

        PSH does not count.
        """
        def wanted(segment):
            return (segment.dport == self.port and segment.sport == self.kernel_port
                    and segment.flags - {"P"} == set(flags) and segment.payload == data)
        segment = self.peer.hear(wanted, timeout)
        if "S" in flags or segment.seq == self.ack & 0xFFFFFFFF:
            self.ack = segment.seq + segment.length
        if segment.tsval is not None:
            self._echo = segment.tsval
        return segment

    def count(self, flags):
        """The number of such segments that were received, but not yet heard."""
        number = 0
        while True:
            try:
                self.hear(flags, timeout=0.05)
            except TimeoutError:
                return number
            number += 1
