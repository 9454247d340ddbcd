"""Cases that need a peer whose every segment the test decides about."""
import socket

from lib.clock import pause
from lib.fixture import Fixture

from .pair import expected

APART_S = 1.2  # longer than all that a FIN's ACK may be delayed by


def answer_goes_out_with_the_ack(fixture, timestamps):
    """The FIN acknowledges data, which lets more go out: its own ACK is in there, and not delayed."""
    conn = fixture.server(timestamps)
    conn.peer_data(b"question")
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    conn.sock.setblocking(False)
    conn.sock.send(bytes(200_000))
    pause(APART_S)
    flow = conn.flow

    def some_data(segment):
        return segment.sport == flow.kernel_port and len(segment.payload) > 0

    try:
        while True:
            segment = fixture.peer.hear(some_data, timeout=0.05)
            flow.ack = max(flow.ack, segment.seq + segment.length)
    except TimeoutError:
        pass
    at = flow.send("FA")
    segment = fixture.peer.hear(lambda segment: some_data(segment) and segment.seq >= flow.ack)
    assert segment.ack == flow.seq & 0xFFFFFFFF, "its ACK does not go out with data"
    return conn, expected(conn.sock, "CLOSE_WAIT", at, certain=False)


def closing(fixture, timestamps):
    """Both FINs cross, and the kernel's is never acknowledged."""
    conn = fixture.client(timestamps=timestamps)
    pause(APART_S)
    conn.sock.shutdown(socket.SHUT_WR)
    conn.hears("FA")
    at = conn.flow.send("FA", ack_back=1)
    return conn, expected(conn.sock, "CLOSING", at, certain=False)


WIRE = (answer_goes_out_with_the_ack, closing)


def run_on_the_wire(child, case, family, timestamps):
    fixture = Fixture(family)
    conn, fact = case(fixture, timestamps)
    name = f"{case.__name__} ipv{family} timestamps={timestamps}"
    child.tell((fixture.netns.inum, [fact._replace(case=name)]))
    child.tell((fixture.netns.inum, []))
    child.told()
    conn.sock.close()
