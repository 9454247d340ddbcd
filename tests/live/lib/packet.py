"""TCP segments over IPv4 and IPv6 as bytes, built and parsed. No I/O."""
import socket
import struct
from typing import NamedTuple, Optional

FLAG_BITS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}
TCP, ICMP, ICMPV6 = 6, 1, 58


class Segment(NamedTuple):
    src: str
    dst: str
    sport: int
    dport: int
    seq: int
    ack: int
    flags: frozenset
    tsval: Optional[int]
    payload: bytes
    raw: bytes
    at_ns: int  # CLOCK_MONOTONIC, when the packet left the kernel under test

    @property
    def length(self):
        """In sequence numbers: SYN and FIN count."""
        return len(self.payload) + len(self.flags & {"S", "F"})


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _pseudo(src, dst, length, protocol):
    if ":" in src:
        ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        return ends + struct.pack("!II", length, protocol)
    return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!HH", protocol, length)


def ip_packet(src, dst, protocol, body):
    if ":" in src:
        head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64)
        return head + _pseudo(src, dst, 0, 0)[:32] + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0,
                       socket.inet_aton(src), socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def tcp_options(syn, timestamps):
    options = struct.pack("!BBH", 2, 4, 1400) if syn else b""
    if timestamps is not None:
        options += struct.pack("!BBBBII", 1, 1, 8, 10, *timestamps)
    return options


def tcp_packet(src, dst, ports, seq, ack, flags, payload=b"", timestamps=None):
    options = tcp_options("S" in flags, timestamps)
    bits = sum(FLAG_BITS[flag] for flag in flags)
    head = struct.pack("!HHIIBBHHH", *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF,
                       (20 + len(options)) << 2, bits, 65000, 0, 0) + options
    body = head + payload
    total = checksum(_pseudo(src, dst, len(body), TCP) + body)
    return ip_packet(src, dst, TCP, body[:16] + struct.pack("!H", total) + body[18:])


def icmp_packet(src, dst, kind, code, body):
    """`body` is the part after type, code and checksum."""
    message = struct.pack("!BBH", kind, code, 0) + body
    v6 = ":" in src
    covered = _pseudo(src, dst, len(message), ICMPV6) + message if v6 else message
    message = message[:2] + struct.pack("!H", checksum(covered)) + body
    return ip_packet(src, dst, ICMPV6 if v6 else ICMP, message)


def split_ip(raw):
    """(source, destination, protocol, payload)."""
    if raw[0] >> 4 == 6:
        length, protocol = struct.unpack_from("!HB", raw, 4)
        src, dst = (socket.inet_ntop(socket.AF_INET6, raw[at:at + 16]) for at in (8, 24))
        return src, dst, protocol, raw[40:40 + length]
    total, = struct.unpack_from("!H", raw, 2)
    src, dst = (socket.inet_ntoa(raw[at:at + 4]) for at in (12, 16))
    return src, dst, raw[9], raw[(raw[0] & 15) * 4:total]


def parse_tcp(raw, at_ns):
    """The segment in an IP packet, or None if the packet carries another protocol."""
    src, dst, protocol, body = split_ip(raw)
    if protocol != TCP:
        return None
    sport, dport, seq, ack, offset, bits = struct.unpack_from("!HHIIBB", body)
    offset = offset >> 4 << 2
    flags = frozenset(name for name, bit in FLAG_BITS.items() if bits & bit)
    return Segment(src, dst, sport, dport, seq, ack, flags, _tsval(body[20:offset]),
                   body[offset:], raw, at_ns)


def _tsval(options):
    at = 0
    while at < len(options) and options[at] != 0:
        if options[at] == 1:
            at += 1
            continue
        if options[at] == 8:
            return struct.unpack_from("!I", options, at + 2)[0]
        at += max(2, options[at + 1])
    return None
