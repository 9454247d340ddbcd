# SPDX-License-Identifier: Apache-2.0
"""The exporter with 100,000 open connections beside as many new ones a second as this machine makes, scraped as it
should be, and then by a thousand, by slow and by hostile clients at a time: nothing is lost, and a scrape is quick.
It says what the same load reaches without the exporter, and which CPU time each takes."""
import contextlib
import json
import multiprocessing
import os
import resource
import socket
import statistics
import subprocess
import threading
import time

import pytest

from lib.exporter import OPENMETRICS, PORT, PROTOBUF, TEXT, Exporter, parse, value
from lib.netns import Netns, ip_batch

CHURN = os.environ.get("TCPDWELL_CHURN", "churn")
HELD = int(os.environ.get("TCPDWELL_HELD", "50000"))  # pairs
SCRAPES = 20  # of each format
SHARE = 0.05  # of one CPU
UNSEEN = "tcpdwell_events_unseen_total"  # what this kernel hides from BPF, under any load
MOST_SECONDS, MOST_BYTES, MOST_SERIES = 0.1, 2_000_000, 5000
FLOOD_S, ALONE_S = 15, 8
NEAR, FAR = "10.77.0.1", "10.77.0.2"


@pytest.fixture(autouse=True)
def _netns():
    with Netns.current().inside():
        yield Netns.create()


def hold(pipe, number, count):
    """Keeps `count` connections, both ends, until it is killed."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    # An address for each process, so that there are ports enough.
    listener = socket.create_server((f"127.0.1.{1 + number}", 8000), backlog=128)
    kept = [listener]
    for _ in range(count):
        client = socket.create_connection(listener.getsockname())
        kept += [client, listener.accept()[0]]
    pipe.send("ready")
    with contextlib.suppress(EOFError):
        pipe.recv()


@contextlib.contextmanager
def held(count):
    each = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 200) // 2  # by descriptors
    processes, pipes = [], []
    try:
        for number in range(-(-count // each)):
            ours, theirs = multiprocessing.Pipe()
            processes.append(multiprocessing.Process(target=hold, args=(
                theirs, number, min(each, count - number * each))))
            processes[-1].start()
            pipes.append(ours)
        for pipe in pipes:
            assert pipe.poll(120) and pipe.recv() == "ready"
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


class Churn:
    """New connections, as fast as two threads make them. The attributes are known at its end."""

    def __enter__(self):
        self.process = subprocess.Popen([CHURN, "--threads", "2", "--until-stdin-closes"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        return self

    def __exit__(self, failed, *_):
        if failed:
            self.process.kill()
        said = self.process.communicate()[0]
        if not failed:
            done = json.loads(said)
            self.connections = done["connections"]
            self.rate, self.cpus = done["connections_per_s"], done["cpu_s"] / done["seconds"]


def another_host():
    """A network namespace that reaches this one."""
    here = Netns.current()
    far = Netns.create()
    ip_batch(f"link add far type veth peer name near netns {here.path}", f"addr add {FAR}/30 dev far", "link set far up")
    here.enter()
    ip_batch(f"addr add {NEAR}/30 dev near", "link set near up")
    return far


def flood(far, over, answered):
    """A thousand clients elsewhere: most ask properly, some send a byte a second, some send nonsense."""
    far.enter()

    def ask(number):
        while not over.is_set():
            try:
                with socket.create_connection((NEAR, PORT), timeout=2) as client:
                    if number % 50 == 0:
                        for byte in b"GET /metrics HTTP/1.1\r\n":
                            client.send(bytes([byte]))
                            if over.wait(1):
                                return
                    elif number % 50 == 1:
                        client.sendall(b"\xff\x00" * 10000)
                        client.recv(100)
                    else:
                        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                        if client.recv(65536).startswith(b"HTTP/1.1 200"):
                            with answered.get_lock():
                                answered.value += 1
            except OSError:
                pass

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Flood:
    """Such clients in a process of their own while the block runs; `count`: proper answers."""

    def __init__(self, far):
        self.far = far

    def __enter__(self):
        self.over, self.answered = multiprocessing.Event(), multiprocessing.Value("i", 0)
        self.process = multiprocessing.Process(target=flood, args=(self.far, self.over, self.answered))
        self.process.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.process.join()

    @property
    def count(self):
        return self.answered.value


def timed_scrapes(exporter):
    """Seconds of each, and the longest page."""
    took, size = [], 0
    for _ in range(SCRAPES):
        for accept in (TEXT, OPENMETRICS, PROTOBUF):
            began = time.monotonic()
            body, _ = exporter.scrape(accept)
            took.append(time.monotonic() - began)
            size = max(size, len(body))
        time.sleep(0.3)
    return took, size


class Used:
    """CPU time of the exporter and of its server's thread while the block runs, as shares of one CPU."""

    def __init__(self, exporter):
        self.exporter = exporter

    def __enter__(self):
        self.before, self.began = self.exporter.cpu_seconds(), time.monotonic()
        return self

    def __exit__(self, *_):
        after, span = self.exporter.cpu_seconds(), time.monotonic() - self.began
        self.server, self.whole = ((now - then) / span for now, then in zip(after, self.before))


def test_exporter_under_load(capsys):
    far = another_host()
    with held(HELD):
        with Churn() as alone:
            time.sleep(ALONE_S)
        with Exporter("--netns", "self", listen=f"0.0.0.0:{PORT}") as exporter:
            exporter.wait_for(lambda samples: value(samples, "tcpdwell_connections", state="ESTABLISHED") >= 2 * HELD,
                              "the held connections")
            with Churn() as scraped, Used(exporter) as by_scrapes:
                took, size = timed_scrapes(exporter)
            with Used(exporter) as idle:
                time.sleep(ALONE_S)
            with Flood(far) as answers, Used(exporter) as by_scrapers:
                time.sleep(FLOOD_S)
            with Churn() as flooded, Flood(far) as more_answers, Used(exporter) as by_flood:
                time.sleep(FLOOD_S)
            made = 2 * (scraped.connections + flooded.connections)  # both ends
            established = {"name": "tcpdwell_dwell_classic_seconds_count", "state": "ESTABLISHED"}
            samples = exporter.wait_for(lambda page: value(page, **established) >= made - value(page, UNSEEN), "all of them")
            exporter.stop()
    lost, unseen = value(samples, "tcpdwell_events_lost_total"), value(samples, UNSEEN)
    with capsys.disabled():
        print(f"\n{2 * HELD} open; new connections/s: {alone.rate:.0f} without the exporter ({alone.cpus:.2f} CPUs)"
              f"\nscraped: {scraped.rate:.0f}/s ({scraped.cpus:.2f} CPUs); scrape: median {1000 * statistics.median(took):.1f} ms, "
              f"longest of {len(took)} {1000 * max(took):.1f} ms; page: {size} bytes, {len(samples)} series; exporter: "
              f"{by_scrapes.whole:.2f} CPUs, of them the server {by_scrapes.server:.3f}"
              f"\na flood without new connections: {answers.count} answers; exporter: {by_scrapers.whole:.3f} CPUs, of them the "
              f"server {by_scrapers.server:.3f}; idle {idle.whole:.3f}"
              f"\nflooded: {flooded.rate:.0f}/s ({flooded.cpus:.2f} CPUs); {more_answers.count} answers; exporter: "
              f"{by_flood.whole:.2f} CPUs, of them the server {by_flood.server:.3f}; lost: {lost:.0f}, unseen: {unseen:.0f}")
    assert lost == 0 and answers.count > 0 and more_answers.count > 0
    assert statistics.median(took) <= MOST_SECONDS
    assert size <= MOST_BYTES and len(samples) <= MOST_SERIES
    tick = 0.3 / FLOOD_S  # of the clock of CPU time
    assert by_scrapers.whole - idle.whole <= SHARE + tick
    assert by_flood.server <= SHARE + tick
