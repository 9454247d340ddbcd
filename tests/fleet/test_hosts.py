# SPDX-License-Identifier: Apache-2.0
"""A fleet of hosts, each a network namespace with an exporter and a recording of its own: the quantiles that
Prometheus computes for all of them are those of the recordings, the alert names the host that leaks, and the buckets
that SQL adds up are those of merged histograms."""
import math
import os
import pathlib
import random
import socket
import threading
import time

import pytest

from conftest import answers_of, exact_dwells, merged_by_histograms, said_buckets, write_lines
from lib.exporter import Exporter
from lib.fixture import LOOPBACK
from lib.netns import Netns
from lib.prometheus import Prometheus

MONITORING = pathlib.Path(__file__).resolve().parents[2] / "monitoring"
HOSTS = int(os.environ.get("TCPDWELL_FLEET", "20"))
CONNECTIONS = 60  # for each host
ERROR = 0.022  # schema 5
LEAKY = 7


@pytest.fixture(autouse=True)
def _netns():
    with Netns.current().inside():
        yield Netns.create()


def connections_of(host, seed):
    """Connections that stay established for times from 1 ms to some seconds; one host leaks."""
    chance = random.Random(seed)
    kept = []
    with host.inside():
        listener = socket.create_server((LOOPBACK[4], 0), backlog=128)
        ends = []
        for _ in range(CONNECTIONS):
            client = socket.create_connection(listener.getsockname())
            ends.append((time.monotonic() + math.exp(chance.uniform(-7, 1)), client,
                         listener.accept()[0]))
        for at, client, server in sorted(ends, key=lambda end: end[0]):
            time.sleep(max(at - time.monotonic(), 0))
            client.close()
            server.close()
        if seed == LEAKY:
            client = socket.create_connection(listener.getsockname())
            kept.append(listener.accept()[0])
            client.close()
    return kept


def exact_quantile(values, share):
    return values[max(math.ceil(share * len(values)), 1) - 1]


def test_quantiles_of_the_fleet_and_the_leaking_host(tmp_path, capsys):
    home = Netns.current()
    exporters, listeners, targets = [], [], {}
    try:
        hosts = []
        for number in range(HOSTS):
            # The socket stays in our namespace, where Prometheus is; the exporter is in the host's.
            listener = socket.create_server(("127.0.0.1", 0))
            hosts.append(Netns.create())
            exporter = Exporter("--netns", "self", "--ring-size", "1M", "--flag", "CLOSE_WAIT=1s",
                                "--record", tmp_path / f"{number}.tdw", listen=None,
                                passed=listener, env={"LISTEN_FDS": "1"})
            exporters.append(exporter.__enter__())
            listeners.append(listener)
            targets[f"host{number}"] = "127.0.0.1:%d" % listener.getsockname()[1]
            home.enter()
        kept = [None] * HOSTS
        with Prometheus(targets, [MONITORING / "recording-rules.yaml",
                                  MONITORING / "alerts.yaml"]) as prometheus:
            prometheus.wait_for("sum(up)", lambda result: result[0][1] == HOSTS, "all hosts")
            threads = [threading.Thread(target=lambda n=n: kept.__setitem__(
                n, connections_of(hosts[n], n))) for n in range(HOSTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            done = 2 * CONNECTIONS * HOSTS + 2  # both ends; the leak
            prometheus.wait_for(
                'sum(tcpdwell_dwell_classic_seconds_count{state="ESTABLISHED"})',
                lambda result: result[0][1] >= done, "all connections")
            native = 'sum(tcpdwell_dwell_seconds{state="ESTABLISHED"})'
            prometheus.wait_for(f"histogram_count({native})", lambda result: result[0][1] >= done,
                                "all connections, native")
            said = {share: prometheus.query(f"histogram_quantile({share}, {native})")[0][1]
                    for share in (0.5, 0.9, 0.99)}
            counted = prometheus.query(f"histogram_count({native})")[0][1]
            prometheus.wait_for("ALERTS", lambda _: ("SocketLeak", f"host{LEAKY}") in
                                prometheus.firing(), "the alert")
            assert prometheus.firing() == {("SocketLeak", f"host{LEAKY}")}
    finally:
        for exporter in exporters:
            exporter.stop()
            exporter.__exit__()
    recordings = {f"host{number}": tmp_path / f"{number}.tdw" for number in range(HOSTS)}
    dwells = {host: list(exact_dwells(recording)) for host, recording in recordings.items()}
    values = sorted(ns / 1e9 for all_of in dwells.values() for state, ns in all_of if state == "ESTABLISHED")
    assert len(values) == counted
    errors = {}
    for share, answer in said.items():
        exact = exact_quantile(values, share)
        errors[share] = abs(answer - exact) / exact
    with capsys.disabled():
        print(f"\n{HOSTS} hosts, {len(values)} dwells in ESTABLISHED; errors: " +
              ", ".join(f"p{100 * share:.0f} {100 * error:.2f} %" for share, error in errors.items()))
    assert max(errors.values()) <= ERROR, said
    # The same hosts in SQL.
    lines = tmp_path / "lines"
    lines.mkdir()
    for host, recording in recordings.items():
        write_lines(lines / f"{host}.ndjson", recording)
    merged = merged_by_histograms(dwells)
    for engine, answers in answers_of(lines).items():
        assert said_buckets(answers["merged_buckets"]) == merged, engine
