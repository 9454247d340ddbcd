"""`tcpdwell top` and `replay FILE top` in a terminal of tmux: every key, and the terminal after every kind of end."""
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import time

import pytest

from lib.terminal import Terminal
from lib.tracer import BINARY

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
GOLDEN = os.path.join(os.path.dirname(__file__), "../golden/leak.tdw")
ADDRESSES = {"ipv4": "127.0.0.1", "ipv6": "::1"}


class Sockets:
    """Three accepted sockets in CLOSE_WAIT that this process does not close, and two in ESTABLISHED."""

    def __init__(self, family="ipv4"):
        kind = socket.AF_INET6 if family == "ipv6" else socket.AF_INET
        self.listener = socket.create_server((ADDRESSES[family], 0), family=kind)
        self.port = self.listener.getsockname()[1]
        self.stuck = [self._accepted(True) for _ in range(3)]
        self.open = [self._accepted(False) for _ in range(2)]

    def _accepted(self, closes):
        client = socket.create_connection(self.listener.getsockname()[:2])
        server, _ = self.listener.accept()
        if not closes:
            return client, server
        client.close()
        assert server.recv(1) == b""
        return (server,)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for group in (*self.stuck, *self.open):
            for each in group:
                each.close()
        self.listener.close()


def top(sockets, *options, **size):
    command = [BINARY, "top", "--lport", sockets.port, "--flag", "CLOSE_WAIT=1s", "--delay", "250ms", *options]
    return Terminal(command, **size)


@pytest.mark.parametrize("family", ADDRESSES)
def test_shows_what_is_stuck_until_it_is_closed(family):
    with Sockets(family) as sockets, top(sockets) as terminal:
        screen = terminal.shows("STUCK  3 sockets, 1 group")
        assert f"{sockets.port} {ADDRESSES[family]}" in screen
        assert "eof_read" in screen and "next: " in screen
        assert screen.index("STUCK") < screen.index("CONNECTIONS")
        sockets.stuck.pop()[0].close()
        terminal.shows("STUCK  2 sockets, 1 group")
        while sockets.stuck:
            sockets.stuck.pop()[0].close()
        terminal.shows("nothing is stuck")


def test_every_key():
    with Sockets() as sockets, top(sockets) as terminal:
        terminal.shows("STUCK  3 sockets, 1 group")
        # Lines are selected, and marked with >.
        terminal.keys("Down")
        terminal.wait(lambda screen: "!>     3 CLOSE_WAIT" in screen, "selected group")
        terminal.keys("Enter")
        terminal.shows("3 sockets stuck in CLOSE_WAIT, cause eof_read")
        terminal.keys("Down", "Enter")
        screen = terminal.shows("holders")
        assert f"127.0.0.1:{sockets.port} →" in screen and f"[{os.getpid()}]" in screen
        terminal.keys("Escape")
        terminal.shows("3 sockets stuck in CLOSE_WAIT")
        terminal.keys("Escape")
        terminal.shows("CONNECTIONS  5")
        terminal.keys("End")
        terminal.wait(lambda screen: any(line[1:2] == ">" and "127.0.0.1:" in line for line in screen.splitlines()),
                      "selected connection")
        terminal.keys("Home")
        terminal.shows("!>     3")
        terminal.keys("PageDown")
        terminal.shows_no("!>     3")
        terminal.keys("PageUp")
        terminal.shows("!>     3")
        terminal.keys("Tab")
        terminal.shows_no("!>     3")
        terminal.keys("k")
        terminal.shows("!>     3")
        terminal.keys("j")
        terminal.shows_no("!>     3")
        terminal.keys("Enter")
        terminal.shows("owner ")
        terminal.keys("Escape", "Escape")
        # Filters
        terminal.keys("/", "state=ESTABLISHED")
        terminal.shows("filter: state=ESTABLISHED")
        terminal.keys("Enter")
        terminal.shows("CONNECTIONS  2 that match")
        terminal.keys("/", "C-u", "lport=x", "Enter")
        terminal.shows("not a port")
        terminal.keys("Escape", "Escape")
        terminal.shows("CONNECTIONS  5")
        # Sorting and summing up
        terminal.keys("s")
        terminal.shows("by state")
        terminal.keys("S")
        terminal.shows("by state, descending")
        for what in ("owner", "service", "port", "peer", "namespace"):
            terminal.keys("g")
            terminal.shows(f"CONNECTIONS  5 and 1 listener, by {what}")
        terminal.keys("g")
        terminal.shows("by state, descending")
        # Freezing
        terminal.keys("Space")
        terminal.shows("FROZEN")
        terminal.keys("Space")
        terminal.shows_no("FROZEN")
        # Copying
        terminal.keys("Home", "y")
        terminal.shows("copied")
        assert str(os.getpid()) in terminal.tmux("show-buffer")
        # Left is for recordings.
        terminal.keys("Left")
        terminal.shows("replay FILE top")
        terminal.keys("?")
        terminal.shows("KEYS")
        terminal.keys("C-l")
        terminal.shows("KEYS")
        terminal.keys("Escape")
        terminal.shows("CONNECTIONS  5")
        terminal.keys("q")
        terminal.shows("ended with 0")
        assert terminal.is_normal()


def test_follows_the_size_of_the_terminal():
    with Sockets() as sockets, top(sockets, width=120, height=40) as terminal:
        terminal.shows("the peer closed 3 connections")
        terminal.resize(60, 20)
        screen = terminal.wait(lambda screen: "SERVICE" not in screen and "PORT PEER" not in screen
                               and "STUCK" in screen, "narrow screen")
        assert all(len(line) <= 60 for line in screen.splitlines())
        terminal.resize(80, 24)
        terminal.shows("PORT PEER")


def test_ascii_without_colors():
    with Sockets() as sockets, top(sockets, "--ascii", "--color", "never") as terminal:
        terminal.shows("STUCK  3 sockets")
        assert terminal.screen().isascii()
        assert "\033[31m" not in terminal.tmux("capture-pane", "-p", "-e")


ENDS = {"q": 0, "C-c": 0, "TERM": 0, "INT": 0, "SEGV": 139, "ABRT": 134, "USR1": 138, "ALRM": 142}


@pytest.mark.parametrize("end", ENDS)
def test_restores_the_terminal(end):
    with Sockets() as sockets, top(sockets) as terminal:
        terminal.shows("STUCK")
        assert not terminal.is_normal()
        if end in ("q", "C-c"):
            terminal.keys(end)
        else:
            os.kill(terminal.pid("tcpdwell"), getattr(signal, "SIG" + end))
        screen = terminal.shows(f"ended with {ENDS[end]}")
        modes = [line for line in screen.splitlines() if line.count(":") > 20]
        assert len(modes) == 2 and modes[0] == modes[1], screen
        assert terminal.is_normal()


def test_stops_and_continues():
    with Sockets() as sockets, Terminal(["bash", "--norc", "--noprofile", "-i"]) as terminal:
        terminal.keys(f"{BINARY} top --lport {sockets.port} --flag CLOSE_WAIT=1s", "Enter")
        terminal.shows("STUCK")
        terminal.keys("C-z")
        terminal.shows("Stopped")
        assert terminal.is_normal()
        terminal.keys("fg", "Enter")
        terminal.shows("STUCK")
        terminal.keys("q")
        terminal.shows_no("STUCK")
        assert terminal.is_normal()


def test_ends_with_its_terminal():
    pid, master = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(BINARY, [BINARY, "top"])
    shown = b""
    while b"CONNECTIONS" not in shown:
        assert select.select([master], [], [], 60)[0], shown
        shown += os.read(master, 65536)
    os.close(master)
    deadline = time.monotonic() + 60
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        assert time.monotonic() < deadline, "it goes on without a terminal"
        time.sleep(0.05)


def test_needs_a_terminal():
    for command in (["top"], ["replay", GOLDEN, "top"]):
        done = subprocess.run([BINARY, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 2 and done.stdout == ""
        assert done.stderr.count("\n") == 1 and "needs a terminal" in done.stderr


def test_travels_through_a_recording():
    with Terminal([BINARY, "replay", GOLDEN, "top"]) as terminal:
        terminal.shows("+1.014s of 1.014s")
        terminal.keys("Left")
        terminal.shows("CLOSE_WAIT         1")
        terminal.keys("Left")
        terminal.shows("0 open")
        terminal.keys("T", "+500ms", "Enter")
        screen = terminal.wait(lambda screen: "+5" in screen.splitlines()[0], "the time that was asked for")
        assert "1 stuck" in screen, "the leak of the recording is flagged after 300 ms"
        terminal.keys("Down", "Enter")
        terminal.shows("stuck in CLOSE_WAIT")
        terminal.keys("Right")
        terminal.shows("here the recording ends")
        assert "None of these sockets is stuck any more." in terminal.screen(), "the page stays"
        terminal.keys("[")
        terminal.shows("+3.95ms of 1.014s")
        terminal.keys("T", "never", "Enter")
        terminal.shows("is not a time")
        terminal.keys("q")
        terminal.shows("ended with 0")
        assert terminal.is_normal()


def test_travelling_restores_the_terminal():
    for end in (signal.SIGTERM, signal.SIGSEGV):
        with Terminal([BINARY, "replay", GOLDEN, "top"]) as terminal:
            terminal.shows("of 1.014s")
            terminal.keys("Left")
            terminal.shows("CLOSE_WAIT         1")
            os.kill(terminal.pid("tcpdwell"), end)
            terminal.shows("ended with " + ("0" if end == signal.SIGTERM else "139"))
            assert terminal.is_normal()
