# SPDX-License-Identifier: Apache-2.0
"""The exporter with 100,000 open connections beside as many new ones a second as this machine makes, scraped as it
should be, and then by a thousand, by slow and by hostile clients at a time: nothing is lost, and a scrape is quick."""
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
from lib.netns import Netns
from lib.patience import wait_for

CHURN = os.environ.get("TCPDWELL_CHURN", "churn")
HELD = int(os.environ.get("TCPDWELL_HELD", "50000"))  # pairs
SCRAPES = 20  # of each format
SHARE = 0.05  # of one CPU
MOST_SECONDS, MOST_BYTES, MOST_SERIES = 0.1, 2_000_000, 5000
FLOOD_S = 15


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


@contextlib.contextmanager
def churning(rates):
    churn = subprocess.Popen([CHURN, "--threads", "2", "--until-stdin-closes"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    try:
        yield churn
        rates.append(json.loads(churn.communicate()[0]))
    finally:
        churn.kill()


def flood(over, answered):
    """A thousand clients: most ask properly, some send a byte a second, some send nonsense."""
    def ask(number):
        while not over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", PORT), timeout=2) as client:
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


def test_exporter_under_load(capsys):
    rates = []
    with held(HELD), Exporter("--netns", "self", "--strict") as exporter:
        wait_for(lambda: value(parse(exporter.scrape()[0].decode()), "tcpdwell_connections", state="ESTABLISHED")
                 >= 2 * HELD, "the held connections", lambda: exporter.cpu_seconds()[1])
        with churning(rates):
            took, size = timed_scrapes(exporter)
            over, answered = multiprocessing.Event(), multiprocessing.Value("i", 0)
            process = multiprocessing.Process(target=flood, args=(over, answered))
            before, began = exporter.cpu_seconds()[0], time.monotonic()
            process.start()
            time.sleep(FLOOD_S)
            used, span = exporter.cpu_seconds()[0] - before, time.monotonic() - began
            over.set()
            process.join()
        text = exporter.scrape(timeout=120)[0].decode()
        series = len(parse(text))
        lost = value(parse(text), "tcpdwell_events_lost_total")
        rate = rates[0]["connections"] / rates[0]["seconds"]
        with capsys.disabled():
            print(f"\n{2 * HELD} open, {rate:.0f} new connections/s; scrape: median "
                  f"{1000 * statistics.median(took):.1f} ms, longest {1000 * max(took):.1f} ms; page: {size} bytes, "
                  f"{series} series; flood: {answered.value} answers, {100 * used / span:.1f} % of a CPU; lost: {lost:.0f}")
        exporter.stop()  # --strict: 3 if it had lost an event
    assert lost == 0 and answered.value > 0
    assert statistics.median(took) <= MOST_SECONDS
    assert size <= MOST_BYTES and series <= MOST_SERIES
    assert used <= SHARE * span + 0.3
