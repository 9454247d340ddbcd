"""The tracers that are compared: how each is started, when it sees events, how many it saw."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from . import system
from .load import BUILD, PORTS, PROBE_PORT, Failed, end, probe

BINARY = os.environ.get("TCPDWELL_BIN", os.path.join(BUILD, "tcpdwell"))
PATIENCE_S = 30
# Where there is one, a disk is not measured with them.
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None


class Tracer:
    """One run of a tracer, its output in a file. A context manager that ends it."""

    name = ""
    first_event = b""  # what a line of the first event has in it; None: there is no such line

    def __init__(self, cpu=None):
        self._cpu = cpu
        self._dir = tempfile.TemporaryDirectory(prefix="tcpdwell-bench-", dir=MEMORY)
        self.output = os.path.join(self._dir.name, "out")
        self._errors = os.path.join(self._dir.name, "errors")

    def command(self):
        raise NotImplementedError

    def __enter__(self):
        pin = [] if self._cpu is None else ["taskset", "-c", str(self._cpu)]
        self.spawned = time.monotonic()
        with open(self.output, "wb") as out, open(self._errors, "wb") as errors:
            self.process = subprocess.Popen(pin + self.command(), stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=errors, start_new_session=True,
                                            preexec_fn=system.dies_with_us)
        return self

    def __exit__(self, *_):
        end(self.process)
        self._dir.cleanup()

    def must_run(self):
        if self.process.poll() is not None:
            with open(self._errors, encoding="utf-8", errors="replace") as file:
                raise Failed(f"{self.name} ended: {file.read().strip()[-300:] or 'no reason given'}")

    def _until(self, condition, what, pause=0.002):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self.must_run()
            if time.monotonic() > deadline:
                raise Failed(f"{self.name}: waited {PATIENCE_S} s for {what}")
            time.sleep(pause)

    def wait_ready(self, netns):
        """They do not say when they are attached, and their output waits for a full buffer."""
        def sees():
            probe(netns)
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
        """Until it has worked off what came."""
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

    def peak_rss_mb(self):
        return system.peak_rss_mb(self.process.pid)

    def stop(self):
        self.must_run()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} still runs {PATIENCE_S} s after SIGINT") from None

    def seen(self, netns):
        """Of the stopped tracer: transitions of the load in its output; more that it says."""
        raise NotImplementedError


class Tcpdwell(Tracer):
    name = "tcpdwell"
    first_event = b'"type":"transition"'

    def command(self):
        self._ready = os.path.join(self._dir.name, "ready")
        return [BINARY, "trace", "--json", "-o", self.output, "--ready-file", self._ready]

    def wait_ready(self, netns):
        self._until(lambda: os.path.exists(self._ready), "its ready file")

    def seen(self, netns):
        # The end of TIME_WAIT is no transition of a socket: the tracepoint does not show it.
        ours = b'"netns":%d,' % netns.inum
        of_probes = b'"port":%d}' % PROBE_PORT
        count, line = 0, b"{}"
        with open(self.output, "rb") as file:
            for line in file:
                if (line.startswith(b'{"type":"transition"') and ours in line
                        and of_probes not in line and b'"from":"TIME_WAIT"' not in line):
                    count += 1
        ended = json.loads(line)
        return {"seen": count, "said_lost": ended["lost"],
                "said_transitions_lost": ended["transitions_lost"],
                "said_transitions": ended["transitions"],
                "output_bytes": os.path.getsize(self.output)}


class Stats(Tcpdwell):
    """A table a second; the transitions are in its end alone, with those of the whole host."""

    name = "tcpdwell stats"
    first_event = None

    def command(self):
        self._ready = os.path.join(self._dir.name, "ready")
        return [BINARY, "stats", "1", "--json", "-o", self.output, "--ready-file", self._ready]

    def seen(self, netns):
        with open(self.output, "rb") as file:
            ended = json.loads(file.readlines()[-1])
        return {"seen": None, "said_lost": ended["lost"],
                "said_transitions_lost": ended["transitions_lost"],
                "said_transitions": ended["transitions"],
                "output_bytes": os.path.getsize(self.output)}


class Peer(Tracer):
    """A tool of libbpf-tools: lines of columns, a port after its address."""

    first_event = b" 127."
    _of_the_load = re.compile(rb"[.:][0-9a-f]+ +(?:%s) " % b"|".join(b"%d" % port for port in PORTS))

    def command(self):
        return [self.path()]

    @classmethod
    def path(cls):
        return shutil.which(cls.name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

    def seen(self, netns):
        with open(self.output, "rb") as file:
            count = sum(bool(self._of_the_load.search(line)) for line in file)
        return {"seen": count, "output_bytes": os.path.getsize(self.output)}


class Tcpstates(Peer):
    name = "tcpstates"


class Tcplife(Peer):
    name = "tcplife"


ALL = (Tcpdwell, Stats, Tcpstates, Tcplife)


def available():
    """(tracers that are here, {name: why not})"""
    here, missing = [], {}
    for tracer in ALL:
        if issubclass(tracer, Peer) and not tracer.path():
            missing[tracer.name] = "not installed: the package is libbpf-tools"
        else:
            here.append(tracer)
    return here, missing
