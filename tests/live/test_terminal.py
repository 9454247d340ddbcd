"""At a terminal: text fits it, nothing is silent for long, and --quiet is quiet."""
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

from lib.netns import Netns
from lib.patience import STALLED_S
from lib.tracer import BINARY

ROWS = 12
FAMILIES = {"ipv4": (socket.AF_INET, "127.0.0.1"), "ipv6": (socket.AF_INET6, "::1")}


@pytest.fixture(autouse=True)
def _own_network():
    with Netns.current().inside():
        namespace = Netns.create()
        yield
        namespace.close()


class AtTerminal:
    """tcpdwell whose stdin, stdout and stderr are a terminal of that size."""

    def __init__(self, columns, *arguments, rows=ROWS):
        self._ours, theirs = pty.openpty()
        self.resize(columns, rows)
        environment = {name: value for name, value in os.environ.items()
                       if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._process = subprocess.Popen([BINARY, *arguments, "--netns", "self"], stdin=theirs,
                                         stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)
        self._raw, self._news = b"", threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def resize(self, columns, rows=ROWS):
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self):
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # EIO: nobody has the other end open
                data = b""
            with self._news:
                self._raw += data
                self._news.notify_all()
            if not data:
                return

    def wait_for(self, pattern):
        with self._news:
            found = self._news.wait_for(lambda: re.search(pattern, self.raw), STALLED_S)
        assert found, f"waited for {pattern!r}: {self.raw}"

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def end(self):
        status = self._process.wait(STALLED_S)
        self._reader.join(STALLED_S)
        os.close(self._ours)
        return status

    @property
    def raw(self):
        return self._raw.decode()

    @property
    def lines(self):
        """What stays on the screen: without color, and without what was overwritten."""
        text = re.sub(r"\x1b\[[0-9;]*m", "", self.raw).replace("\r\n", "\n")
        return [line.rpartition("\x1b[K")[2].rpartition("\r")[2] for line in text.split("\n") if line]


def converse(family, times):
    """Connections over loopback, each closed by both ends."""
    kind, address = FAMILIES[family]
    with socket.create_server((address, 0), family=kind) as listener:
        for _ in range(times):
            with socket.create_connection(listener.getsockname()[:2]) as client:
                accepted, _ = listener.accept()
                accepted.close()
                client.recv(1)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_a_trace_fits(columns, family):
    screen = AtTerminal(columns, "trace", "--no-flags")
    screen.wait_for("watching")
    converse(family, 10)
    screen.wait_for("TIME_WAIT")
    screen.interrupt()
    assert screen.end() == 0
    lines = screen.lines
    assert re.fullmatch(r"watching \d+ sockets?( in 1 network namespace)?", lines[2 if columns < 100 else 1])
    for line in lines:
        if not line.startswith("tcpdwell: "):
            assert len(line) <= columns, line
    headers = [at for at, line in enumerate(lines) if re.match(r"TIME +(LOCAL|FROM)", line)]
    assert len(headers) > 2
    assert all(b - a <= ROWS for a, b in zip(headers, headers[1:])), "a screenful without a header"


def test_a_pipe_has_one_header_and_is_not_wrapped():
    with subprocess.Popen([BINARY, "trace", "--netns", "self", "--no-flags"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, "COLUMNS": "60"}) as tracer:
        assert tracer.stdout.readline().startswith("TIME ")
        ready = select.select([tracer.stdout], [], [], 0)  # nothing but the header comes by itself
        assert not ready[0]
        lines = []
        while len(lines) < 40:
            converse("ipv6", 5)
            lines += [tracer.stdout.readline() for _ in range(5)]
        tracer.send_signal(signal.SIGINT)
        lines += tracer.stdout.read().splitlines()
    assert not [line for line in lines if "TIME IN IT" in line or "watching" in line]
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} \[", line) for line in lines)


def test_the_header_follows_the_size():
    screen = AtTerminal(100, "trace", "--no-flags")
    screen.wait_for("watching")
    screen.resize(80)
    deadline = time.monotonic() + STALLED_S
    while "LOCAL → REMOTE" not in screen.raw and time.monotonic() < deadline:
        converse("ipv4", 3)
    screen.interrupt()
    assert screen.end() == 0
    assert "LOCAL → REMOTE" in screen.raw


def test_connections_have_their_columns():
    screen = AtTerminal(80, "trace", "--only", "connection")
    screen.wait_for("watching")
    converse("ipv4", 3)
    screen.wait_for(r"\d+ +python3 .* fin\r")
    screen.interrupt()
    assert screen.end() == 0
    assert screen.lines[:2] == ["LADDR → RADDR",
                                "PID     COMM             LPORT RPORT     TX     RX        MS ENDED"]


def test_stats_shows_when_its_first_table_comes():
    screen = AtTerminal(80, "stats", "3s", "1")
    screen.wait_for(r"\r\x1b\[Kthe first table comes in \d s: [\d,]+ events? so far, [\d,]+ connections? open")
    assert screen.end() == 0
    assert not [line for line in screen.lines if "first table" in line], "it is overwritten"
    assert any(line.startswith("STATE ") for line in screen.lines)


def test_record_shows_its_size_and_losses(tmp_path):
    path = tmp_path / "run.tdw"
    screen = AtTerminal(100, "record", "-o", str(path))
    screen.wait_for(r"\r\x1b\[Krecording for \d+ s: [\d,]+ events?, [\d.]+ (bytes|[KMG]iB), 0 lost")
    converse("ipv4", 3)
    screen.interrupt()
    assert screen.end() == 0
    (last,) = screen.lines[-1:]
    said = re.fullmatch(rf"tcpdwell: {re.escape(str(path))}: [\d.]+ (bytes|[KMG]iB), ([\d,]+) events? in \S+, 0 lost", last)
    assert said, last
    assert int(said[2].replace(",", "")) > 0


@pytest.mark.parametrize("command", [("trace",), ("stats", "10s"), ("record", "-o", "/dev/null"),
                                     ("leaks",)], ids=lambda command: command[0])
def test_quiet_is_quiet(command, tmp_path):
    if command[0] == "record":
        command = ("record", "-o", str(tmp_path / "run.tdw"))
    ready = tmp_path / "ready"
    more = [] if command[0] == "leaks" else ["-d", "2s", "--ready-file", str(ready)]
    screen = AtTerminal(80, *command, "-q", *more)
    assert screen.end() == 0
    if command[0] != "stats":
        assert screen.raw == ""
    assert "first table" not in screen.raw and "tcpdwell:" not in screen.raw
    assert not more or ready.exists()


def test_a_filter_that_passes_nothing_says_what_there_was():
    with socket.create_server(("127.0.0.1", 0)):
        done = subprocess.run([BINARY, "trace", "-d", "10ms", "--pid", "1"], capture_output=True,
                              text=True, check=True)
    assert re.search(r"0 connections ended, 0 open \(on this host: \d+ ended, [1-9][\d,]* open\)",
                     done.stderr), done.stderr
