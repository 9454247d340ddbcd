"""The compared tracers: how each is started, when it sees events, and how many it saw.
tcpdwell itself is in builds.py."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from . import system
from .load import PORTS, Failed, end, probe

PATIENCE_S = 30
# Output files go to memory if possible, so that the disk is not measured.
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None


class Tracer:
    """One run of a tracer, its output in a file. A context manager that ends it."""

    name = ""
    first_event = b""  # a part of the first event's line; None: there is no such line
    half_rate = False  # its reader takes half of the produced lines,
    sets_rate = False  # whose rate is measured with this one

    def __init__(self, netns, cpu=None, lines_per_s=None):
        """`netns`: of the measured load. `lines_per_s`: how much its reader takes, if it has one."""
        self.netns, self._cpu, self._lines_per_s = netns, cpu, lines_per_s
        self._dir = tempfile.TemporaryDirectory(prefix="tcpdwell-bench-", dir=MEMORY)
        self.output = os.path.join(self._dir.name, "out")
        self._errors = os.path.join(self._dir.name, "errors")

    def command(self):
        raise NotImplementedError

    def open_stdout(self):
        return open(self.output, "wb")

    def start(self, command, stdin, stdout, stderr):
        """On the tracer's CPU, if it has one of its own."""
        pin = [] if self._cpu is None else ["taskset", "-c", str(self._cpu)]
        return subprocess.Popen(pin + command, stdin=stdin, stdout=stdout, stderr=stderr,
                                start_new_session=True, preexec_fn=system.dies_with_us)

    def __enter__(self):
        with self.open_stdout() as out, open(self._errors, "wb") as errors:
            self.spawned = time.monotonic()
            self.process = self.start(self.command(), subprocess.DEVNULL, out, errors)
        return self

    def __exit__(self, *_):
        end(self.process)
        self._dir.cleanup()

    def said_on_stderr(self):
        with open(self._errors, encoding="utf-8", errors="replace") as file:
            return file.read()

    def must_run(self):
        if self.process.poll() is not None:
            said = self.said_on_stderr().strip()[-300:]
            raise Failed(f"{self.name} ended: {said or 'no reason given'}")

    def _until(self, condition, what, pause=0.002):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self.must_run()
            if time.monotonic() > deadline:
                raise Failed(f"{self.name}: waited {PATIENCE_S} s for {what}")
            time.sleep(pause)

    def wait_ready(self):
        """They do not report when they are attached, and buffer their output."""
        def sees():
            probe(self.netns)
            return os.path.getsize(self.output) > 0
        self._until(sees, "its first output", pause=0.1)

    def wait_first_event(self):
        """Seconds from its start until the first event can be read. Connections must be made."""
        with open(self.output, "rb") as file:
            seen = b""

            def sees():
                nonlocal seen
                seen = seen[-100:] + file.read(1 << 20)
                return self.first_event in seen
            self._until(sees, "its first event", pause=0.001)
        return time.monotonic() - self.spawned

    def wait_idle(self):
        """Waits until it has processed all events."""
        last, quiet = self.cpu_s(), 0
        deadline = time.monotonic() + PATIENCE_S
        while quiet < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
            self.must_run()
            now = self.cpu_s()
            quiet = quiet + 1 if now - last < 0.002 else 0
            last = now

    def cpu_s(self):
        return system.cpu_seconds(self.process.pid)

    def reader_cpu_s(self):
        """None: it has no reader."""
        return None

    def minor_faults(self):
        return system.minor_faults(self.process.pid)

    def peak_rss_mb(self):
        return system.peak_rss_mb(self.process.pid)

    def stop(self):
        self.must_run()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} still runs {PATIENCE_S} s after SIGINT") from None

    def seen(self):
        """Of the stopped tracer: transitions of the load in its output (None: not known); what it
        says of its losses."""
        raise NotImplementedError


class Peer(Tracer):
    """A tool of libbpf-tools: lines of columns, a port after its address."""

    first_event = b" 127."
    _of_the_load = re.compile(rb"[.:][0-9a-f]+ +(?:%s) " % b"|".join(b"%d" % port for port in PORTS))

    def command(self):
        return [self.path()]

    @classmethod
    def path(cls):
        return shutil.which(cls.name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

    def seen(self):
        with open(self.output, "rb") as file:
            count = sum(bool(self._of_the_load.search(line)) for line in file)
        return {"seen": count, "output_bytes": os.path.getsize(self.output)}


class Tcpstates(Peer):
    name = "tcpstates"


class Tcplife(Peer):
    name = "tcplife"


PEERS = (Tcpstates, Tcplife)
