# SPDX-License-Identifier: Apache-2.0
"""Every expression of the dashboard and of the rules, in a real Prometheus with real data."""
import json
import pathlib
import socket

import pytest

from lib.exporter import Exporter, PORT
from lib.fixture import LOOPBACK
from lib.netns import Netns
from lib.prometheus import Prometheus

MONITORING = pathlib.Path(__file__).resolve().parents[2] / "monitoring"
# What this test's traffic does not do: run out of ports, fail to connect, lose events.
MAY_BE_EMPTY = {"No port left in", "connect() without a port", "Dwells not known exactly",
                "TIME_WAIT ended, by how"}


@pytest.fixture(autouse=True)
def _netns():
    with Netns.current().inside():
        yield Netns.create()


def expressions():
    for panel in json.loads((MONITORING / "dashboard.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, chosen in (("$__rate_interval", "20s"), ("$__range", "1m"),
                                     ("$job", ".*"), ("$instance", ".*")):
                expression = expression.replace(variable, chosen)
            assert "$" not in expression, expression
            yield panel["title"], expression


def traffic(kept):
    """Connections in most states, a leak, and a full accept queue."""
    listener = socket.create_server((LOOPBACK[4], 0), backlog=1)
    kept.append(listener)
    for _ in range(20):
        client = socket.create_connection(listener.getsockname())
        server = listener.accept()[0]
        client.close()
        server.close()
    leaked = socket.create_connection(listener.getsockname())
    kept.append(listener.accept()[0])
    leaked.close()
    for _ in range(4):  # two fill the queue, the others stay in SYN_SENT
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        kept.append(client)


def test_each_expression_has_data():
    kept = []
    rules = [MONITORING / "recording-rules.yaml", MONITORING / "alerts.yaml"]
    with Exporter("--netns", "self", "--flag", "CLOSE_WAIT=200ms", "--flag",
                  "ACCEPT=200ms") as exporter, \
            Prometheus({"here": f"127.0.0.1:{PORT}"}, rules) as prometheus:
        exporter.first_page()
        prometheus.wait_for("up", lambda result: result[0][1] == 1, "the first scrape")
        traffic(kept)
        prometheus.wait_for(
            'tcpdwell_dwell_classic_seconds_count{state="FIN_WAIT_1"}',
            lambda result: result[0][1] >= 20, "the traffic")
        prometheus.wait_for("rate(tcpdwell_dwell_seconds[20s])", lambda result: True, "native rates")
        prometheus.wait_for("tcpdwell_ports_used", lambda result: True, "a count of ports")
        prometheus.wait_for("tcpdwell_stuck_sockets", lambda result: len(result) >= 2, "stuck ones")
        for title, expression in expressions():
            if title in MAY_BE_EMPTY:
                prometheus.query(expression)
            else:
                prometheus.wait_for(expression, lambda result: True, f"{title}: {expression}")
        # A state has a rate from its second scrape on.
        prometheus.wait_for(
            "state:tcpdwell_dwell_seconds:rate5m", lambda result: {"ESTABLISHED", "CLOSE_WAIT"} <=
            {labels["state"] for labels, _ in result}, "the native recording rule")
        wanted = {("SocketLeak", "here"), ("AcceptStalled", "here")}
        prometheus.wait_for("ALERTS", lambda _: wanted <= prometheus.firing(), "pending alerts")
        assert prometheus.firing() == wanted


def test_prometheus_without_the_feature_gets_text():
    with Exporter("--netns", "self") as exporter, \
            Prometheus({"here": f"127.0.0.1:{PORT}"}, native=False) as prometheus:
        exporter.first_page()
        prometheus.wait_for("tcpdwell_build_info", lambda result: True, "a scrape")
        assert [one["lastError"] for one in prometheus.targets()] == [""]
        assert not prometheus.query("tcpdwell_dwell_seconds")
