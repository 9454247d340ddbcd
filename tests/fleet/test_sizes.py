# SPDX-License-Identifier: Apache-2.0
"""What one host costs a fleet: series, bytes of a page, and bytes of a line for each finished connection. docs/fleet.md
multiplies these."""
import gzip
import random
import socket
import time

import pytest

from lib.exporter import OPENMETRICS, PROTOBUF, TEXT, Exporter, parse, value
from lib.netns import Netns
from lib.patience import start, wait_for, work
from lib.tracer import BINARY

CONNECTIONS = 2000


@pytest.fixture(autouse=True)
def _netns():
    with Netns.current().inside():
        yield Netns.create()


def traffic():
    """Eight services on addresses of their own; data both ways; either end closes first."""
    chance = random.Random(1)
    listeners = [socket.create_server((f"127.0.0.{1 + number}", 8000 + number), backlog=100) for number in range(8)]
    for _ in range(CONNECTIONS):
        listener = chance.choice(listeners)
        client = socket.create_connection(listener.getsockname())
        server = listener.accept()[0]
        client.send(b"x" * chance.randrange(1, 3000))
        server.recv(4000)
        server.send(b"y" * chance.randrange(1, 9000))
        time.sleep(chance.random() * 0.002)
        (client if chance.random() < 0.7 else server).close()
        client.close()
        server.close()
    return listeners


def test_sizes(tmp_path, capsys):
    lines, ready = tmp_path / "lines.ndjson", tmp_path / "ready"
    tracer = start([BINARY, "trace", "--json", "--only", "connection", "--netns", "self", "-o", lines, "--ready-file", ready])
    try:
        wait_for(ready.exists, "the tracer", lambda: work(tracer.pid))
        with Exporter("--netns", "self") as exporter:
            kept = traffic()
            samples = exporter.wait_for(
                lambda page: value(page, "tcpdwell_dwell_classic_seconds_count", state="ESTABLISHED") >= 2 * CONNECTIONS,
                "the connections")
            pages = {name: exporter.scrape(accept)[0] for name, accept in (
                ("text", TEXT), ("OpenMetrics", OPENMETRICS), ("protobuf", PROTOBUF))}
            exporter.stop()
    finally:
        tracer.terminate()
        tracer.wait()
    del kept
    text = lines.read_bytes()
    ended = [line for line in text.splitlines() if line.startswith(b'{"type":"connection"')]
    each = sum(map(len, ended)) / len(ended) + 1
    packed = len(gzip.compress(b"\n".join(ended))) / len(ended)
    with capsys.disabled():
        print(f"\n{len(samples)} series; " + ", ".join(
            f"{name} {len(page) / 1000:.1f} kB ({len(gzip.compress(page)) / 1000:.1f} kB with gzip)" for name, page in
            pages.items()) + f"; {len(ended)} finished connections: {each:.0f} bytes each, {packed:.0f} with gzip")
    assert len(ended) >= 2 * CONNECTIONS
    assert len(samples) < 1000 and each < 1000
