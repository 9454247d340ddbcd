"""tcpdwell as a tracer of the bench: all outputs of all compared builds."""
import contextlib
import json
import os
import re
import shlex
import subprocess
import time

from . import system
from .load import BUILD, PROBE_PORT, READER, Failed, end
from .tracers import PATIENCE_S, PEERS, Tracer

BINARY = os.environ.get("TCPDWELL_BIN", os.path.join(BUILD, "tcpdwell"))


def count_lines(file, *options):
    """The counts of the bench's reader for a file."""
    done = subprocess.run([READER, *options], stdin=file, capture_output=True, check=False)
    if done.returncode != 0:
        raise Failed(f"the reader failed: {done.stderr.decode(errors='replace').strip()}")
    return json.loads(done.stdout)


def of_the_load(netns):
    """The end of TIME_WAIT is no transition of a socket: the tracepoint does not show it."""
    return ["--has", '"type":"transition"', "--has", f'"netns":{netns.inum},',
            "--lacks", f'"port":{PROBE_PORT}}}', "--lacks", '"from":"TIME_WAIT"']


def losses(counted):
    """The numbers of its last line, and the counts of its output."""
    ended = counted["last"]
    if not ended or ended["type"] != "end":
        raise Failed("its output has no end")
    return {"said_lost": ended["lost"], "said_transitions_lost": ended["transitions_lost"],
            "said_transitions": ended["transitions"], "said_unseen": ended["unseen"],
            "said_dropped": ended["output_dropped"], "lines": counted["lines"],
            "output_bytes": counted["bytes"]}


class File(Tracer):
    """`trace --json` to a file, and the common parts of the other outputs."""

    build, binary, options = "tcpdwell", BINARY, ()
    output_name, suffix = "file", ""
    first_event = b'"type":"transition"'

    def command(self):
        return self._command(["trace", "--json", "-o", self.output])

    def _command(self, what):
        self._ready = os.path.join(self._dir.name, "ready")
        return [self.binary, *what, "--ready-file", self._ready, *self.options]

    def wait_ready(self):
        self._until(lambda: os.path.exists(self._ready), "its ready file")

    def seen(self):
        with open(self.output, "rb") as file:
            counted = count_lines(file, *of_the_load(self.netns))
        return {"seen": counted["matched"], **losses(counted)}


class Stats(File):
    """A table per second. Only `end` counts transitions, and those of the whole host."""

    output_name, suffix = "stats", " stats"
    first_event = None

    def command(self):
        return self._command(["stats", "1", "--json", "-o", self.output])

    def seen(self):
        with open(self.output, "rb") as file:
            return {"seen": None, **losses(count_lines(file))}


class Null(File):
    """Its lines are dropped, so its losses are on stderr."""

    output_name, suffix = "/dev/null", " to /dev/null"
    first_event = None
    _SAID = {"said_lost": r"lost (\S+) events?",
             "said_transitions_lost": r"lost \S+ events?, (\S+) of them transitions",
             "said_unseen": r"missed at least (\S+) transitions?",
             "said_dropped": r"dropped (\S+) lines?"}

    def open_stdout(self):
        return open("/dev/null", "wb")

    def command(self):
        return self._command(["trace", "--json"])

    def seen(self):
        said = {"seen": None}
        for name, pattern in self._SAID.items():
            found = re.search(pattern, self.said_on_stderr())
            said[name] = int(re.sub(r"\D", "", found.group(1))) if found else 0
        return said


class Pipe(File):
    """A pipe to the reader, which runs on the tracer's CPU if the tracer has its own."""

    output_name, suffix = "pipe", " to a pipe"
    first_event = None

    @contextlib.contextmanager
    def open_stdout(self):
        options = of_the_load(self.netns)
        if self._lines_per_s is not None:
            options += ["--lines-per-second", f"{self._lines_per_s:.0f}"]
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb") as from_pipe, os.fdopen(write_end, "wb") as into_pipe:
            with open(self.output, "wb") as counted:
                self._reader = self.start([READER, *options], from_pipe, counted, None)
            yield into_pipe

    def command(self):
        return self._command(["trace", "--json"])

    def __exit__(self, *_):
        end(self._reader)
        super().__exit__()

    def wait_idle(self):
        """A slow reader has some seconds of backlog before it, which take next to no CPU time."""
        super().wait_idle()
        last, deadline = None, time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            now = system.bytes_read(self._reader.pid)
            if now == last:
                return
            last = now
            time.sleep(0.2)
            self.must_run()

    def reader_cpu_s(self):
        return system.cpu_seconds(self._reader.pid)

    def stop(self):
        super().stop()
        try:
            self._reader.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"the reader of {self.name} still reads after {PATIENCE_S} s") from None
        if self._reader.returncode != 0:
            raise Failed(f"the reader of {self.name} failed")

    def seen(self):
        with open(self.output, encoding="utf-8") as file:
            counted = json.load(file)
        return {"seen": counted["matched"], **losses(counted)}


class HalfRate(Pipe):
    output_name, suffix = "pipe, half rate", " to a pipe, read at half the rate"
    half_rate = True


class Connections(File):
    """A line per connection, at its end."""

    output_name, suffix = "file, connections", " --only connection"
    first_event = None

    def command(self):
        return self._command(["trace", "--json", "--only", "connection", "-o", self.output])

    def seen(self):
        with open(self.output, "rb") as file:
            return {"seen": None, **losses(count_lines(file))}


OUTPUTS = (File, Connections, Null, Pipe, HalfRate, Stats)


class Build:
    """One binary with some options of its own, and its tracers."""

    def __init__(self, label, binary, options):
        self.label = label
        self.tracers = [type(kind.__name__, (kind,),
                             {"name": label + kind.suffix, "build": label, "binary": binary,
                              "options": tuple(options)}) for kind in OUTPUTS]

    def tracer(self, kind):
        return self.tracers[OUTPUTS.index(kind)]


def version(binary):
    """Its --version."""
    try:
        return subprocess.run([binary, "--version"], capture_output=True, text=True,
                              check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"{binary} --version: {error}") from None


def parse(text):
    """[LABEL: ]BINARY [OPTIONS]; the binary `tcpdwell` is the build under test."""
    label, colon, command = text.partition(": ")
    words = shlex.split(command if colon else text)
    if not words:
        raise Failed(f"--beside '{text}' names no binary")
    binary = BINARY if words[0] == "tcpdwell" else words[0]
    said = version(binary)
    return Build(label if colon else said, binary, words[1:])


def compared(beside):
    """The build under test, and those that --beside names."""
    builds = [Build("tcpdwell", BINARY, ()), *map(parse, beside)]
    labels = [build.label for build in builds]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice:
        raise Failed(f"two builds are called '{twice}': --beside 'LABEL: BINARY [OPTIONS]'")
    builds[0].tracer(Pipe).sets_rate = True  # the same rate for all of them
    return builds


def tracers(builds, only):
    """What --only asks for: (the peers and what they are compared with, the outputs that are not
    among those, {name: why it is not here})"""
    peers, missing = [], {}
    if only != "outputs":
        peers = [builds[0].tracer(File), builds[0].tracer(Stats)]
        for peer in PEERS:
            if peer.path():
                peers.append(peer)
            else:
                missing[peer.name] = "not installed: the package is libbpf-tools"
    outputs = [] if only == "peers" else [
        tracer for build in builds for tracer in build.tracers if tracer not in peers]
    return peers, outputs, missing
