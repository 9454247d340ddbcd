"""Slow handshakes: how often the SYN or SYN-ACK was sent, and the accept queues that were full."""
import signal
import socket
import struct

import pytest

from lib.clock import SECOND
from lib.fixture import PORT, Fixture
from lib.netns import Netns
from lib.patience import ended, wait_for
from lib.tracer import Tracer
from stuck.queues import connect, families, listen, netns, remote_port  # noqa: F401

pytestmark = pytest.mark.hidden_events

BACKLOG = 1
FULL = f"the listener's accept queue was full ({BACKLOG + 1}, backlog {BACKLOG})"
TOTAL_RETRANS = 100  # offset of tcpi_total_retrans in struct tcp_info


def retransmits(sock):
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("=I", info, TOTAL_RETRANS)[0]


def is_connected(sock):
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1  # TCP_ESTABLISHED


def text_of(tracer):
    with open(tracer.output, encoding="utf-8") as file:
        return file.read()


class Full:
    """A listener whose accept queue is full, and a client whose SYN it has dropped."""

    def __init__(self, family):
        self.listener = listen(family, backlog=BACKLOG)
        self.clients = [connect(self.listener) for _ in range(BACKLOG + 1)]
        self.late = socket.socket(self.listener.family)
        self.late.setblocking(False)
        self.late.connect_ex(self.listener.getsockname())

    def accept(self):
        self.clients += [self.listener.accept()[0] for _ in range(BACKLOG + 1)]

    def accept_late(self):
        self.accept()
        wait_for(lambda: is_connected(self.late), "the SYN that is sent again",
                 lambda: retransmits(self.late))
        self.clients.append(self.listener.accept()[0])

    def close(self):
        for sock in [*self.clients, self.late, self.listener]:
            sock.close()


def handshakes(objects):
    """The transitions that end one, by local port and state."""
    return {(each["local"]["port"], each["from"]): each for each in objects
            if each["type"] == "transition" and each["to"] == "ESTABLISHED"}


@families
def test_the_line_says_that_the_syn_was_sent_again(netns, family):
    look_often = ("--netns", netns.inum, "--flag", "ACCEPT=1s")
    with Tracer(*look_often) as tracer, Tracer(*look_often, json_output=False) as reader:
        full = Full(family)
        tracer.wait_for(lambda objects: any(each["type"] == "flag" for each in objects),
                        "a flag, so a look at the queue")
        wait_for(lambda: "ACCEPT" in text_of(reader), "the other's", lambda: text_of(reader))
        full.accept_late()
        late, server = remote_port(full.late), full.listener.getsockname()[1]
        again = retransmits(full.late)
        fast = [remote_port(sock) for sock in full.clients[:BACKLOG + 1]]
        tracer.wait_for(lambda objects: (late, "SYN_SENT") in handshakes(objects), "the handshake")
        full.close()
        ends = handshakes(tracer.stop())
        reader.process.send_signal(signal.SIGINT)
        assert ended(reader.process) == 0, reader.stderr()
        lines = [line for line in text_of(reader).splitlines() if "SYN_SENT → ESTABLISHED" in line]
    assert again >= 1
    got = ends[late, "SYN_SENT"]
    assert got["syn_retransmits"] == again and got["dwell_ns"] >= SECOND / 2, got
    queue = got["accept_queue_full"]
    assert (queue["length"], queue["backlog"]) == (BACKLOG + 1, BACKLOG), got
    for port in fast:
        assert ends[port, "SYN_SENT"]["syn_retransmits"] == 0, ends[port, "SYN_SENT"]
        assert "accept_queue_full" not in ends[port, "SYN_SENT"]
    assert ends[server, "SYN_RECEIVED"]["syn_retransmits"] == 0
    said = {line.split()[1].rpartition(":")[2]: line for line in lines}
    assert f"SYN sent {again + 1} times; {FULL}" in said[str(late)], said
    for port in fast:
        assert "sent" not in said[str(port)], said


@families
def test_a_syn_that_nobody_answers(netns, family):
    """The connect() times out: its line says so, too."""
    with open("/proc/sys/net/ipv4/tcp_syn_retries", "w", encoding="ascii") as sysctl:
        sysctl.write("1")
    with Tracer("--netns", netns.inum) as tracer:
        full = Full(family)
        late = remote_port(full.late)

        def ends(objects):
            return [each for each in objects if each["type"] == "transition" and
                    each["local"]["port"] == late and each["to"] == "CLOSED"]
        tracer.wait_for(ends, "ETIMEDOUT")
        again = retransmits(full.late)
        full.close()
        end, = ends(tracer.stop())
    assert (end["why"], end["syn_retransmits"]) == ("timeout", again) and again >= 1, end


@families
def test_a_syn_ack_that_is_lost(family):
    with Netns.current().inside():
        fixture = Fixture(family)
        fixture.peer  # makes the address that we listen on
        listener = fixture.listen()
        with Tracer("--netns", fixture.netns.inum) as tracer:
            conn = listener.half_open()
            conn.hears("SA")  # again
            conn.peer("A", to="ESTABLISHED")
            listener.accepts(conn)
            again = retransmits(conn.sock)
            tracer.wait_for(lambda objects: (PORT, "SYN_RECEIVED") in handshakes(objects),
                            "the handshake")
            end = handshakes(tracer.stop())[PORT, "SYN_RECEIVED"]
        conn.sock.close()
        listener.sock.close()
    assert end["syn_retransmits"] == again >= 1, end
    assert end["dwell_ns"] >= SECOND / 2, end


def intervals(objects, total=False):
    return [each for each in objects if each["type"] == "stats" and ("total" in each) == total]


@families
def test_stats_show_it(netns, family):
    with Tracer("1s", "--netns", netns.inum, command="stats") as tracer:
        full = Full(family)
        local = {"addr": full.listener.getsockname()[0], "port": full.listener.getsockname()[1]}

        def found(objects):
            return [queue for each in intervals(objects)
                    for queue in each["accept_queues_full"] or []]
        tracer.wait_for(found, "a full queue")
        full.accept_late()
        tracer.wait_for(lambda objects: sum(each["handshakes_retransmitted"]
                                            for each in intervals(objects)), "the handshake")
        full.close()
        objects = tracer.stop()
    queue = found(objects)[-1]
    assert (queue["local"], queue["family"], queue["netns"]) == (local, f"ipv{family}", netns.inum)
    assert (queue["length"], queue["backlog"]) == (BACKLOG + 1, BACKLOG), queue
    assert queue["syns_dropped"] >= 1, queue
    total, = intervals(objects, total=True)
    assert total["handshakes_retransmitted"] == 1, total
    assert [each["local"] for each in total["accept_queues_full"]] == [local], total
