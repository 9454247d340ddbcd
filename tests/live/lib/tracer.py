"""Runs tcpdwell and reads its output."""
import collections
import json
import os
import shutil
import signal
import subprocess
import tempfile

from .patience import came_true, ended, start, wait_for, work

BINARY = os.environ.get(
    "TCPDWELL_BIN", os.path.join(os.path.dirname(__file__), "../../../build/tcpdwell"))
QUIET_S = 30  # without output about a namespace: nothing more will come about it
KEEP = os.environ.get("TCPDWELL_KEEP")  # a directory for copies of the tracers' output


class TracerError(AssertionError):
    """tcpdwell failed in a way that no run may."""


def parse_line(line):
    """One NDJSON line. Anything that is not strict, compact JSON in UTF-8 is an error."""
    def refuse(constant):
        raise TracerError(f"{constant} is not JSON")
    text = line.decode("utf-8")
    if not line.endswith(b"\n") or text[:-1] != text[:-1].strip():
        raise TracerError(f"not one whole line: {text!r}")
    item = json.loads(text, parse_constant=refuse)
    if not text.startswith('{"type":'):
        raise TracerError(f"`type` is not first: {text!r}")
    return item


class Tracer:
    """`tcpdwell trace --json` with its output in a file. A context manager that ends it."""

    def __init__(self, *options, command="trace", json_output=True, preexec=None, env=None,
                 output=None):
        self._dir = tempfile.TemporaryDirectory(prefix="tcpdwell-test-")
        self.output, self.ready, self.errors = (
            os.path.join(self._dir.name, name) for name in ("out", "ready", "stderr"))
        self.output = str(output or self.output)
        self._preexec, self._env = preexec, {**os.environ, **(env or {})}
        self.options = [command, *(["--json"] if json_output else []), "-o", self.output,
                        "--ready-file", self.ready, *map(str, options)]
        self.process = None
        self._objects, self._read, self._number_of = [], 0, collections.Counter()

    def begin(self):
        """Starts it without waiting until it is ready."""
        with open(self.errors, "wb") as stderr:
            self.process = start([BINARY, *self.options], stdout=subprocess.DEVNULL, stderr=stderr,
                                 stdin=subprocess.DEVNULL, preexec_fn=self._preexec, env=self._env)

    def __enter__(self):
        if self.process is None:
            self.begin()
        try:
            wait_for(self._is_ready, "the ready file", lambda: work(self.process.pid))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if KEEP:
            shutil.copytree(self._dir.name, os.path.join(KEEP, str(self.process.pid)))
        self._dir.cleanup()

    def _is_ready(self):
        if self.process.poll() is not None:
            raise TracerError(f"tcpdwell {' '.join(self.options)} ended at once with status "
                              f"{self.process.returncode}: {self.stderr()}")
        return os.path.exists(self.ready)

    def stderr(self):
        with open(self.errors, encoding="utf-8", errors="replace") as file:
            return file.read()

    def objects(self):
        """All complete lines so far; each is parsed once."""
        if not os.path.exists(self.output):
            return self._objects
        with open(self.output, "rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[:new.rfind(b"\n") + 1]
        self._read += len(whole)
        items = list(map(parse_line, whole.splitlines(keepends=True)))
        self._objects += items
        self._number_of.update(item.get("netns") for item in items)
        return self._objects

    def must_run(self):
        """Raises if tcpdwell has ended: later failures would not be its fault."""
        if self.process.poll() is not None:
            raise TracerError(f"tcpdwell ended (status {self.process.returncode}) before it was "
                              f"told to: {self.stderr()}")

    def wait_for(self, condition, what):
        """Waits until `condition(objects)` is true."""
        wait_for(lambda: self.has(condition), what, lambda: len(self.objects()))

    def came_true(self, condition, inums):
        """As wait_for(), while there is output about these namespaces. Does not fail if the
        condition stays false."""
        return came_true(lambda: self.has(condition),
                         lambda: sum(self._number_of[inum] for inum in inums), QUIET_S, every_s=0.1)

    def has(self, condition):
        self.must_run()
        return condition(self.objects())

    def stop(self, sig=signal.SIGINT, status=0):
        """Ends it in order and returns its objects. No line may be lost."""
        self.must_run()
        self.process.send_signal(sig)
        got = ended(self.process)
        if got != status:
            raise TracerError(f"exit status {got}, wanted {status}: {self.stderr()}")
        return self.objects()


def connections_in(objects, netns):
    return [item for item in objects if item["type"] == "connection" and item["netns"] == netns]
