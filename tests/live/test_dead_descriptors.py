"""CLOSED: descriptors that are still open after their connection has ended.

`ss` does not list such a socket, and closing it makes no transition. The program that holds the sockets
(lib/dead.py) reports them: every kind of socket in TCP_CLOSE, dead or not.
"""
import contextlib
import json
import os
import re
import socket
import subprocess
import time

import pytest

from lib import patience
from lib.netns import Netns
from lib.patience import wait_for
from lib.run import PYTHON
from lib.tracer import BINARY, Tracer, parse_line

both_families = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])

with open(os.path.join(os.path.dirname(__file__), "lib/dead.py"), encoding="utf-8") as _file:
    _DEAD = _file.read()

CAUSES = {  # the kind: its cause; None: it is not dead
    "reset": "not_closed", "reset_after_data": "data_unread", "reset_and_noticed": "not_closed",
    "fins_server": "not_closed", "fins_client": "not_closed", "timed_out": "not_closed",
    "refused_blocking": "connect_failed", "refused_unnoticed": "connect_failed",
    "refused_twice": "connect_failed",
    "unused": None, "bound": None, "never_connected": None, "was_listening": None,
    "disconnected": None, "disconnected_and_shut": None, "used_again": None,
}
# Kinds with an unfetched error. After a timeout it is the last error that was received.
UNNOTICED = {"reset": ("ECONNRESET",), "reset_after_data": ("ECONNRESET",),
             "timed_out": ("ETIMEDOUT", "ENETUNREACH"), "refused_unnoticed": ("ECONNREFUSED",),
             "refused_twice": ("ECONNREFUSED",)}
DEAD = [kind for kind, cause in CAUSES.items() if cause in ("not_closed", "data_unread")]


@pytest.fixture
def netns():
    before = Netns.current()
    made = Netns.create()
    before.enter()
    yield made
    for each in (before, made):
        each.close()


class Holder:
    """The program, with the kinds of sockets that it holds."""

    def __init__(self, netns, kinds, family):
        self._command = [PYTHON, "-I", "-c", _DEAD,
                         json.dumps({"kinds": list(kinds), "family": family})]
        self._netns = netns

    def __enter__(self):
        self.process = subprocess.Popen(self._command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, preexec_fn=self._netns.enter)
        said = json.loads(self.process.stdout.readline())
        self.pid = said["pid"]
        self.kind_of = {fd: kind for kind, fd in said["fds"].items()}
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def tell(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().decode().strip() == word

    def kinds(self, flags):
        """{kind: flag}: which of its sockets the flags are about."""
        found = {}
        for flag in flags:
            assert [holder["pid"] for holder in flag["holders"]] == [self.pid], flag
            kind = self.kind_of[flag["holders"][0]["fd"]]
            assert kind not in found, f"{kind} twice"
            found[kind] = flag
        return found


def leaks(netns, *options, status=None):
    done = patience.run([BINARY, "leaks", "--json", "--netns", str(netns.inum), *options])
    assert done.returncode in ((0, 1) if status is None else (status,)), done
    objects = [parse_line(line) for line in done.stdout.splitlines(keepends=True)]
    return [item for item in objects if item["type"] == "flag" and item["flag"] == "CLOSED"]


def only_closed(objects):
    return [item for item in objects if item["type"] == "flag" and item["flag"] == "CLOSED"]


# --- leaks: sockets that are older than the look ---------------------------------------------------

@both_families
def test_dead_sockets_and_those_that_only_look_dead(netns, family):
    with Holder(netns, CAUSES, family) as holder:
        time.sleep(0.4)
        found = holder.kinds(leaks(netns, "--flag", "CLOSED=300ms", status=1))
    assert {kind: flag["cause"] for kind, flag in found.items()} == {
        kind: cause for kind, cause in CAUSES.items() if cause}
    for kind, flag in found.items():
        assert flag["state"] == "CLOSED" and flag["dwell_ns"] >= 300_000_000, flag
        assert flag["netns"] == netns.inum and flag["family"] == f"ipv{family}", flag
        assert flag["unread_bytes"] == (None if flag["cause"] == "connect_failed" else
                                        26 if kind == "reset_after_data" else 0), flag
        assert flag["pending_error"] in UNNOTICED.get(kind, (None,)), flag
        if kind in DEAD:
            assert flag["remote"]["port"] and flag["local"]["port"], flag


def test_a_failed_connect_decides_nothing(netns):
    with Holder(netns, ["refused_blocking"], 4) as holder:
        time.sleep(0.4)
        found = holder.kinds(leaks(netns, "--flag", "CLOSED=300ms", status=0))
        assert found["refused_blocking"]["cause"] == "connect_failed"
        text = subprocess.run([BINARY, "leaks", "--netns", str(netns.inum), "--flag",
                               "CLOSED=300ms"], capture_output=True, text=True, check=False)
    assert text.returncode == 0 and "connect() failed" in text.stdout, text
    assert "nothing is stuck; 1 open socket whose connect() failed" in text.stdout, text


def test_not_before_its_threshold(netns):
    with Holder(netns, DEAD, 4):
        assert leaks(netns, "--flag", "CLOSED=1h", status=0) == []


def test_a_slow_download_is_no_leak(netns):
    """While the application reads it."""
    with Holder(netns, ["slow"], 4) as holder:
        for _ in range(4):
            holder.tell("read")
            assert leaks(netns, "--flag", "CLOSED=20s", status=0) == []
            time.sleep(0.2)
        time.sleep(0.5)
        found = holder.kinds(leaks(netns, "--flag", "CLOSED=500ms", status=1))
        assert found["slow"]["cause"] == "data_unread" and found["slow"]["unread_bytes"] == 19_600
        assert found["slow"]["error_ns"] is None, "when it ended is not known any more"


def test_text(netns):
    with Holder(netns, ["reset", "reset_and_noticed"], 4):
        time.sleep(0.4)
        done = subprocess.run([BINARY, "leaks", "--netns", str(netns.inum), "--flag",
                               "CLOSED=300ms"], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    assert re.search(r"CLOSED +not_closed", done.stdout), done.stdout
    assert "its pending ECONNRESET was never read" in done.stdout, done.stdout
    assert "2 sockets stuck" in done.stdout, done.stdout


# --- trace -----------------------------------------------------------------------------------------

ENDED = {"reset": "reset_received", "reset_after_data": "reset_received",
         "reset_and_noticed": "reset_received", "fins_server": "fin", "fins_client": "fin",
         "timed_out": "timeout"}


@both_families
def test_trace_sees_them_end_and_be_closed(netns, family):
    with Tracer("--netns", netns.inum, "--flag", "CLOSED=1s", "--only", "flag") as tracer:
        with Holder(netns, CAUSES, family) as holder:
            wanted = {kind for kind, cause in CAUSES.items() if cause}
            tracer.wait_for(lambda objects: len(only_closed(objects)) == len(wanted), "the flags")
            raised = holder.kinds(only_closed(tracer.objects()))
            assert set(raised) == wanted
            for kind, flag in raised.items():
                assert flag["event"] == "raised" and flag["cause"] == CAUSES[kind], flag
                assert flag["error_ns"] == 0 and flag["dwell_ns"] >= 10**9, flag
                assert flag["owner"]["pid"] == holder.pid, flag
                # With lo down there is no route to ::1: the kernel says that, not ETIMEDOUT.
                no_route = kind == "timed_out" and family == 6
                if kind in ENDED:
                    assert flag["ended"] == ("unreachable" if no_route else ENDED[kind]), flag
            holder.tell("close")
            tracer.wait_for(lambda objects: len(only_closed(objects)) == 2 * len(wanted), "the end")
        flags = only_closed(tracer.stop())
    cleared = flags[len(wanted):]
    assert all(flag["event"] == "cleared" and flag["error_ns"] > 0 for flag in cleared), cleared
    assert {flag["cookie"] for flag in cleared} == {flag["cookie"] for flag in raised.values()}


def test_trace_finds_the_older_ones(netns):
    with Holder(netns, CAUSES, 4) as holder:
        with Tracer("--netns", netns.inum, "--flag", "CLOSED=500ms", "--only", "flag") as tracer:
            wanted = {kind for kind, cause in CAUSES.items() if cause}
            tracer.wait_for(lambda objects: len(only_closed(objects)) >= len(wanted), "the flags")
            assert set(holder.kinds(only_closed(tracer.stop()))) == wanted


def test_trace_leaves_a_slow_download_alone(netns):
    with Tracer("--netns", netns.inum, "--flag", "CLOSED=3s", "--only", "flag") as tracer, \
            Holder(netns, ["slow", "reset"], 4) as holder:
        def alone():
            holder.tell("read")
            return only_closed(tracer.objects())
        wait_for(alone, "the flag of the other one")
        assert list(holder.kinds(only_closed(tracer.objects()))) == ["reset"]
        tracer.wait_for(lambda objects: len(only_closed(objects)) == 2, "nobody reads any more")
        flag = holder.kinds(only_closed(tracer.stop()))["slow"]
    assert flag["cause"] == "data_unread" and flag["dwell_ns"] >= 3 * 10**9


def test_a_keepalive_ends_the_connection_but_not_the_leak(netns):
    """CLOSE_WAIT, then an RST for a keepalive: the peer's minisock is gone. The descriptor stays."""
    with netns.inside(), open("/proc/sys/net/ipv4/tcp_fin_timeout", "w", encoding="ascii") as file:
        file.write("1")
    with Tracer("--netns", netns.inum, "--flag", "CLOSE_WAIT=500ms", "--only", "flag") as tracer, \
            contextlib.ExitStack() as ours:
        with netns.inside():
            listener = ours.enter_context(socket.create_server(("127.0.0.1", 0)))
            client = socket.create_connection(listener.getsockname())
            server = ours.enter_context(listener.accept()[0])
            for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
                server.setsockopt(socket.IPPROTO_TCP, option, value)
            server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            client.close()
        tracer.wait_for(lambda objects: only_closed(objects), "a flag of the descriptor")
        flags = [item for item in tracer.stop() if item["type"] == "flag"
                 and item["local"]["port"] == listener.getsockname()[1]]
    assert [(flag["flag"], flag["event"]) for flag in flags] == [
        ("CLOSE_WAIT", "raised"), ("CLOSE_WAIT", "cleared"), ("CLOSED", "raised")], flags
    assert flags[2]["dwell_ns"] < 20 * 10**9, "it did not wait for its own threshold"
    assert flags[2]["ended"] in ("reset_received", None) and flags[2]["cause"] == "not_closed"


def test_a_recording_replays_the_same(netns, tmp_path):
    record = tmp_path / "run"
    with Tracer("--netns", netns.inum, "--flag", "CLOSED=500ms", "--record", record) as tracer, \
            Holder(netns, DEAD, 4) as holder:
        tracer.wait_for(lambda objects: len(only_closed(objects)) == len(DEAD), "the flags")
        holder.tell("close")
        tracer.wait_for(lambda objects: len(only_closed(objects)) == 2 * len(DEAD), "the end")
        tracer.stop()
        with open(tracer.output, "rb") as file:
            printed = file.read()
    again = subprocess.run([BINARY, "replay", str(record), "--json"], capture_output=True,
                           check=True)
    assert again.stdout == printed
