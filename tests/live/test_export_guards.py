"""export: scrapers that are slow, hostile or many cost neither the trace nor the host much."""
import os
import resource
import socket
import threading
import time

import pytest

from lib.exporter import PORT, Exporter, value
from lib.netns import Netns
from lib.patience import wait_for

CONNECTIONS = 32  # of the server
PATIENCE_S = 5  # of the server, for a request


@pytest.fixture(autouse=True)
def _netns():
    with Netns.current().inside():
        yield Netns.create()


def connect():
    return socket.create_connection(("127.0.0.1", PORT), timeout=120)


def closed_by_server(client):
    client.settimeout(0)
    try:
        return client.recv(65536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class Dripping(threading.Thread):
    """Sends a byte of a header to each connection, again and again."""

    def __init__(self, clients):
        super().__init__(daemon=True)
        self.clients, self.over = clients, False

    def run(self):
        for client in self.clients:
            client.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        while not self.over:
            for client in self.clients:
                try:
                    client.send(b"x")
                except OSError:
                    pass  # closed
            time.sleep(0.2)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()


def test_slow_senders_are_closed_and_others_served():
    with Exporter("--netns", "self") as exporter:
        exporter.first_page()
        slow = [connect() for _ in range(2 * CONNECTIONS)]
        began = time.monotonic()
        with Dripping(slow):
            wait_for(lambda: sum(map(closed_by_server, slow)) >= CONNECTIONS, "the first to be closed",
                     lambda: time.monotonic() - began < 4 * PATIENCE_S)
            assert time.monotonic() - began >= PATIENCE_S / 2, "it waits for a slow one, for a while"
            exporter.scrape(timeout=120)
            wait_for(lambda: all(map(closed_by_server, slow)), "all to be closed",
                     lambda: time.monotonic() - began < 8 * PATIENCE_S)
        exporter.stop()


def test_readers_that_read_nothing_are_closed():
    with Exporter("--netns", "self") as exporter:
        exporter.first_page()
        # A page must not fit into the buffers of a connection, so that its writer waits.
        with open("/proc/sys/net/ipv4/tcp_wmem", "w", encoding="ascii") as file:
            file.write("4096 4096 4096")
        began = time.monotonic()
        stalled = []
        for _ in range(CONNECTIONS):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)  # the least possible
            client.connect(("127.0.0.1", PORT))
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            stalled.append(client)
        exporter.scrape(timeout=120)
        assert time.monotonic() - began >= PATIENCE_S / 2, "they took all connections, for a while"
        exporter.stop()
        for client in stalled:
            client.close()


def test_more_connections_than_allowed_wait():
    with Exporter("--netns", "self") as exporter:
        exporter.first_page()
        idle = [connect() for _ in range(2 * CONNECTIONS)]
        descriptors = f"/proc/{exporter.process.pid}/fd"
        wait_for(lambda: len(server_ends(descriptors)) == CONNECTIONS, "the allowed connections")
        exporter.stop()
        for client in idle:
            client.close()


def server_ends(directory):
    """Descriptors of accepted connections."""
    inodes = set()
    with open("/proc/self/net/tcp", encoding="utf-8") as file:
        for line in file.read().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(f":{PORT:04X}") and fields[3] == "01":
                inodes.add(fields[9])
    found = []
    for name in os.listdir(directory):
        try:
            target = os.readlink(f"{directory}/{name}")
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            found.append(name)
    return found


def test_out_of_descriptors_does_not_spin():
    with Exporter("--netns", "self") as exporter:
        exporter.first_page()
        pid = exporter.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, limits[1]))  # below what is open
        clients = [connect() for _ in range(4)]
        before = exporter.cpu_seconds()[0]
        time.sleep(3)
        assert exporter.cpu_seconds()[0] - before < 0.5
        assert exporter.stderr().count("\n") < 5
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for client in clients:
            client.close()
        exporter.scrape()
        exporter.stop()
