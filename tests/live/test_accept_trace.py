"""Accept queues over time: flags that are raised and cleared, recorded, and of no matter to run."""
import os
import socket
import subprocess
import sys

import pytest

from lib import patience
from lib.child import Child
from lib.clock import MS, SECOND
from lib.tracer import BINARY, Tracer, parse_line
from stuck.queues import (ASKED, connect, families, flags, listen, netns,  # noqa: F401
                          release, remote_port, reset, ripen)
from test_behaviour import run

pytestmark = pytest.mark.hidden_events


def accept_flags(objects, port):
    return [item for item in objects if item["type"] == "flag" and item["flag"] == "ACCEPT"
            and item["local"]["port"] == port]


def events_of(objects, port):
    return [(item["remote"]["port"], item["event"]) for item in accept_flags(objects, port)]


OLDER, TRACED = "older", "traced"


@families
@pytest.mark.parametrize("when", [OLDER, TRACED])
def test_a_trace_raises_and_clears(netns, family, when):
    """Cleared by accept(), also after a reset, and by the listener's end."""
    listener = listen(family) if when == OLDER else None
    clients = [connect(listener) for _ in range(3)] if when == OLDER else []
    with Tracer("--netns", netns.inum, *ASKED, preexec=netns.enter) as tracer:
        if when == TRACED:
            listener = listen(family)
            clients = [connect(listener) for _ in range(3)]
        port = listener.getsockname()[1]
        ports = [remote_port(sock) for sock in clients]
        tracer.wait_for(lambda all: len(accept_flags(all, port)) >= 3, "three flags")
        assert sorted(events_of(tracer.objects(), port)) == \
            sorted((each, "raised") for each in ports)
        reset(clients[1])
        clients[0].close()
        accepted = listener.accept()[0]
        tracer.wait_for(lambda all: (ports[0], "cleared") in events_of(all, port), "the first")
        gone = listener.accept()[0]
        tracer.wait_for(lambda all: (ports[1], "cleared") in events_of(all, port), "the second")
        listener.close()
        tracer.wait_for(lambda all: (ports[2], "cleared") in events_of(all, port), "the third")
        objects = tracer.stop()
    for item in accept_flags(objects, port):
        others = [each for each in accept_flags(objects, port)
                  if each["remote"] == item["remote"] and each is not item]
        assert len(others) == 1 and others[0]["cookie"] == item["cookie"], item
        if item["event"] == "cleared":
            assert item["dwell_ns"] >= others[0]["dwell_ns"], item
            assert item["mono_ns"] > others[0]["mono_ns"], item
    cleared = {item["remote"]["port"]: item for item in accept_flags(objects, port)
               if item["event"] == "cleared"}
    assert cleared[ports[1]]["state"] == "CLOSED", cleared
    assert cleared[ports[0]]["owner"] and cleared[ports[0]]["owner"]["via"] == "accept", cleared
    assert cleared[ports[2]]["owner"] is None, cleared
    stuck = [item for item in objects if item["type"] == "flag" and item["flag"] == "CLOSE_WAIT"
             and item["remote"]["port"] == ports[0] and
             item["mono_ns"] < cleared[ports[0]]["mono_ns"]]
    assert not stuck, "a CLOSE_WAIT that nobody accepted has no flag of its own"
    for sock in (accepted, gone, clients[2]):
        sock.close()


def test_it_is_flagged_soon_after_it_is_due(netns):
    """A connection that is too young at a scan is scanned again when it is due."""
    with Tracer("--netns", netns.inum, "--flag", "ACCEPT=3s", preexec=netns.enter) as tracer:
        with listen(4) as listener, connect(listener):
            port = listener.getsockname()[1]
            tracer.wait_for(lambda all: accept_flags(all, port), "the flag")
            item, = accept_flags(tracer.objects(), port)
            late = item["dwell_ns"] - 3 * SECOND
            assert 0 <= late < 1 * SECOND, f"{late / MS} ms late"
        tracer.stop()


def test_a_healthy_server_is_not_flagged(netns):
    """Bursts fill its queue, and it empties it in time."""
    def serves(child):
        listener = listen(4, backlog=64)
        child.tell(listener.getsockname()[1])
        for _ in range(40):
            for _ in range(32):
                listener.accept()[0].close()
        child.told()

    server = Child(serves, b"server")
    port = server.told()
    with Tracer("--netns", netns.inum, "--flag", "ACCEPT=2s", preexec=netns.enter) as tracer:
        for _ in range(40):
            burst = [socket.create_connection(("127.0.0.1", port)) for _ in range(32)]
            for sock in burst:
                sock.close()
        assert flags(netns, status=0, asked=("--flag", "ACCEPT=2s")) == []
        objects = tracer.stop()
    release(server)
    assert accept_flags(objects, port) == []


def test_a_recording_replays_to_the_same(netns, tmp_path):
    record = tmp_path / "run"
    with Tracer("--netns", netns.inum, *ASKED, "--record", record, preexec=netns.enter) as tracer:
        listener = listen(4)
        clients = [connect(listener) for _ in range(5)]
        port = listener.getsockname()[1]
        tracer.wait_for(lambda all: len(accept_flags(all, port)) >= 5, "five flags")
        listener.accept()[0].close()
        tracer.wait_for(lambda all: len(accept_flags(all, port)) >= 6, "one is cleared")
        listener.close()
        objects = tracer.stop()
    done = patience.run([BINARY, "replay", str(record), "--json"])
    again = [parse_line(line) for line in done.stdout.splitlines(keepends=True)]
    assert accept_flags(again, port) == accept_flags(objects, port)
    for sock in clients:
        sock.close()


def test_it_is_no_leak_of_run(netns):
    """CMD's own listener, and a client of its own that it never accepts."""
    command = ("import socket, time\n"
               "listener = socket.create_server(('127.0.0.1', 0))\n"
               "client = socket.create_connection(listener.getsockname())\n"
               "time.sleep(1)\n")
    done = run("run", "--flag", "ACCEPT=200ms", "--", sys.executable, "-c", command)
    assert done.returncode == 0, done.stderr.decode()
    done = run("run", "--json", "--flag", "ACCEPT=200ms", "--", sys.executable, "-c", command)
    assert done.returncode == 0, done.stderr.decode()


def test_a_namespace_by_its_name(netns):
    """As `ip netns` lists it."""
    name = f"tcpdwell-{os.getpid()}"
    subprocess.run(["ip", "netns", "attach", name, str(os.getpid())], check=True)
    try:
        with listen(4) as listener, connect(listener):
            ripen()
            done = run("leaks", "--netns", name, "--json", *ASKED)
            assert done.returncode == 1 and b'"flag":"ACCEPT"' in done.stdout, done
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
    done = run("leaks", "--netns", name)
    assert done.returncode == 2 and done.stdout == b"", done
    assert f"cannot open /run/netns/{name}: No such file or directory (list them with: ip netns)" \
        in done.stderr.decode(), done
