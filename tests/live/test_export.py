"""export: the pages agree with the kernel, in each format, and promtool accepts them."""
import json
import os
import socket
import subprocess

import pytest

from lib.exporter import OPENMETRICS, PORT, PROTOBUF, TEXT, Exporter, parse, raw, value
from lib.fixture import LOOPBACK
from lib.netns import Netns
from lib.patience import wait_for
from lib.tracer import BINARY

CONTRACT = [
    "connections", "dwell_inexact_total", "dwell_classic_seconds_bucket",
    "dwell_classic_seconds_sum", "dwell_classic_seconds_count", "stuck_sockets",
    "oldest_stuck_seconds", "connections_ended_total", "time_wait_ended_total",
    "accept_queue_length", "accept_queue_limit", "syns_dropped_total", "ports_used", "ports_limit",
    "events_lost_total", "events_unseen_total", "connections_evicted_total", "sees",
    "series_dropped_total", "build_info"]


@pytest.fixture(autouse=True)
def _netns():
    """One of its own, so that the port is free and only our traffic counts."""
    with Netns.current().inside():
        yield Netns.create()


def pair(family=4, backlog=8):
    listener = socket.create_server(
        (LOOPBACK[family], 0), backlog=backlog,
        family=socket.AF_INET6 if family == 6 else socket.AF_INET)
    client = socket.create_connection(listener.getsockname()[:2])
    return listener, client, listener.accept()[0]


def test_every_format_is_what_it_says():
    with Exporter("--netns", "self") as exporter:
        exporter.first_page()
        text, kind = exporter.scrape(TEXT)
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        assert b"# TYPE tcpdwell_dwell_classic_seconds histogram" in text
        openmetrics, kind = exporter.scrape(OPENMETRICS)
        assert kind.startswith("application/openmetrics-text; version=1.0.0")
        assert openmetrics.endswith(b"# EOF\n")
        protobuf, kind = exporter.scrape(PROTOBUF)
        assert kind.startswith("application/vnd.google.protobuf; proto=io.prometheus.client")
        assert b"tcpdwell_dwell_seconds" in protobuf, "native histograms"
        assert b"tcpdwell_dwell_seconds{" not in text, "text has none"
        exporter.stop()


def test_promtool_accepts_it():
    with Exporter("--netns", "self") as exporter:
        exporter.first_page()
        done = subprocess.run(["promtool", "check", "metrics"], input=exporter.scrape()[0],
                              capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])
def test_counts_are_those_of_the_traffic(family):
    with Exporter("--netns", "self", "--flag", "CLOSE_WAIT=200ms") as exporter:
        kept = [pair(family) for _ in range(3)]
        leaky = pair(family)
        leaky[1].close()
        stuck = exporter.wait_for(
            lambda samples: value(samples, "tcpdwell_stuck_sockets") == 1 and
            value(samples, "tcpdwell_ports_used") > 0, "the stuck socket, and a count of ports")
        assert value(stuck, "tcpdwell_stuck_sockets", flag="CLOSE_WAIT", cause="eof_unread") == 1
        assert value(stuck, "tcpdwell_oldest_stuck_seconds", flag="CLOSE_WAIT") >= 0.2
        names = {name for name, _ in stuck}
        missing = [name for name in CONTRACT if f"tcpdwell_{name}" not in names]
        assert not missing
        port = str(kept[0][0].getsockname()[1])
        assert value(stuck, "tcpdwell_accept_queue_limit", port=port) == 8
        leaky[2].close()
        for _, client, server in kept:
            client.close()
            server.close()
        # The scrapes are connections, too, so more than these can end.
        done = exporter.wait_for(
            lambda samples: value(samples, "tcpdwell_stuck_sockets") == 0 and
            value(samples, "tcpdwell_dwell_classic_seconds_count", state="CLOSE_WAIT") >= 4,
            "the ends")
        buckets = [value(done, "tcpdwell_dwell_classic_seconds_bucket", state="CLOSE_WAIT", le=le)
                   for le in ("0.0625", "1.0", "4.0", "+Inf")]
        assert buckets == sorted(buckets)
        assert buckets[-1] > buckets[0], "one was in CLOSE_WAIT for 200 ms at least"
        exporter.stop()


def test_full_accept_queue_and_dropped_syns():
    listener = socket.create_server((LOOPBACK[4], 0), backlog=1)
    address = listener.getsockname()
    port = str(address[1])
    with Exporter("--netns", "self", "--flag", "ACCEPT=300ms") as exporter:
        clients = []
        for _ in range(8):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(address)
            clients.append(client)
        samples = exporter.wait_for(
            lambda samples: value(samples, "tcpdwell_accept_queue_length", port=port) == 2 and
            value(samples, "tcpdwell_syns_dropped_total", port=port) > 0 and
            value(samples, "tcpdwell_stuck_sockets", flag="ACCEPT", cause="not_accepted") > 0,
            "the full queue")
        assert value(samples, "tcpdwell_accept_queue_limit", port=port) == 1
        for client in clients:
            client.close()


def test_textfile_is_whole_and_readable(tmp_path):
    path = tmp_path / "tcpdwell.prom"
    with Exporter("--netns", "self", "--textfile", path, listen=None) as exporter:
        wait_for(path.exists, "the file")
        samples = parse(path.read_text())
        assert value(samples, "tcpdwell_build_info") == 1
        assert path.stat().st_mode & 0o777 == 0o644
        assert os.listdir(tmp_path) == ["tcpdwell.prom"]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", PORT))
        exporter.stop()


def test_recording_beside_it(tmp_path):
    path = tmp_path / "run.tdw"
    with Exporter("--netns", "self", "--record", path) as exporter:
        exporter.first_page()
        exporter.stop()
    assert path.stat().st_size > 0


def test_recording_with_lines_of_code(tmp_path):
    """No metric has them, so they need a recording."""
    path = tmp_path / "run.tdw"
    with Exporter("--netns", "self", "--flag", "CLOSE_WAIT=200ms", "--record", path, "--where") as exporter:
        exporter.first_page()
        listener, client, server = pair()
        client.close()
        assert server.recv(1) == b""
        exporter.wait_for(lambda samples: value(samples, "tcpdwell_stuck_sockets", cause="eof_read"), "a stuck socket")
        exporter.stop()
    replayed = subprocess.run([BINARY, "replay", path, "--json", "--only", "flag"], capture_output=True, check=True)
    flag = json.loads(next(line for line in replayed.stdout.splitlines() if b'"raised"' in line))
    assert flag["where"]["eof_read"][-1]["kind"] == "python", flag
    for one in (listener, server):
        one.close()
    done = subprocess.run([BINARY, "export", "--where"], capture_output=True, check=False)
    assert done.returncode == 2 and b"--record" in done.stderr


def test_no_destinations():
    listener, client, server = pair()
    with Exporter("--netns", "self", "--no-destinations") as exporter:
        exporter.first_page()
        assert b"127.0.0.1" not in exporter.scrape()[0]
    for one in (listener, client, server):
        one.close()


def test_what_it_does_not_serve():
    with Exporter("--netns", "self") as exporter:
        exporter.first_page()
        assert raw(b"GET / HTTP/1.0\r\n\r\n").endswith(b"tcpdwell: see /metrics\n")
        assert b" 404 " in raw(b"GET /secret HTTP/1.0\r\n\r\n")
        assert b" 501 " in raw(b"POST /metrics HTTP/1.0\r\nContent-Length: 1\r\n\r\nx")
        head = raw(b"HEAD /metrics HTTP/1.0\r\n\r\n")
        assert head.startswith(b"HTTP/1.") and head.endswith(b"\r\n\r\n"), "no body"
        assert b" 400 " in raw(b"nonsense\r\n\r\n") or not raw(b"nonsense\r\n\r\n")
        exporter.first_page()


@pytest.mark.parametrize("address,says", [
    ("localhost:9853", "not an address and a port in numbers"), ("127.0.0.1", "in numbers"),
    ("127.0.0.1:99999", "in numbers"), ("[::1]", "in numbers"),
    ("192.0.2.1:9853", "Cannot assign requested address")])
def test_bad_address_is_one_line(address, says):
    from lib.tracer import BINARY
    done = subprocess.run([BINARY, "export", "--listen", address], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"--listen {address}: " in done.stderr and says in done.stderr


def test_systemd_passes_a_socket_and_hears_of_readiness(tmp_path):
    listener = socket.create_server(("127.0.0.1", PORT))
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notified.bind(str(tmp_path / "notify"))
    notified.settimeout(60)

    with Exporter("--netns", "self", listen=None, passed=listener,
                  env={"LISTEN_FDS": "1", "NOTIFY_SOCKET": str(tmp_path / "notify"),
                       "WATCHDOG_USEC": "1000000"}) as exporter:
        exporter.first_page()
        heard = [notified.recv(64) for _ in range(4)]
        assert b"READY=1" in heard and heard.count(b"WATCHDOG=1") >= 2
        exporter.stop()
    notified.setblocking(False)
    while b"STOPPING=1" not in heard:
        heard.append(notified.recv(64))
    listener.close()
