"""Commands under `tcpdwell run`, and servers outside of it."""
import contextlib
import json
import os
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass

from .patience import communicate, ended, start
from .tracer import BINARY, parse_line

PYTHON = "/usr/bin/python3"
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}

with open(os.path.join(os.path.dirname(__file__), "leaky.py"), encoding="utf-8") as _file:
    _LEAKY = _file.read()


def leaky(scenario, **parameters):
    """The command that plays it. By its source: another user may not be able to read the file."""
    return [PYTHON, "-I", "-c", _LEAKY, scenario, json.dumps(parameters)]


def python(source):
    return [PYTHON, "-I", "-c", source]


@dataclass
class Done:
    """The results of a `tcpdwell run`."""
    status: int
    stdout: bytes
    stderr: str
    objects: list

    @property
    def flags(self):
        return [item for item in self.objects if item["type"] == "flag"]

    @property
    def said(self):
        """The line of leaky.begun()."""
        return json.loads(self.stdout.splitlines()[0])


class Run:
    """A `tcpdwell run` in progress: `process` is tcpdwell's. Kills everything at the end."""

    def __init__(self, command, *options, report="json", preexec=None, **popen):
        self._dir = tempfile.TemporaryDirectory(prefix="tcpdwell-test-")
        self._report, self._errors = (os.path.join(self._dir.name, name) for name in ("r", "e"))
        to_file = ["--json", "-o", self._report] if report == "json" else []
        self.argv = [BINARY, "run", *to_file, *options, "--", *command]
        self._popen = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "preexec_fn": preexec,
                       **popen}

    def __enter__(self):
        with open(self._errors, "wb") as stderr:
            self.process = start(self.argv, stderr=stderr, **self._popen)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._dir.cleanup()

    def line(self):
        """The next line of CMD's stdout, by which CMD reports that it is ready."""
        return self.process.stdout.readline().decode().rstrip("\n")

    def tell(self, data=b"\n"):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def stderr(self):
        with open(self._errors, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait(self):
        """Waits until tcpdwell ends, even if another process still holds its stdout."""
        status = ended(self.process)
        return Done(status, b"", self.stderr(), self._objects())

    def done(self, data=None):
        """Waits until tcpdwell and its stdout end; `data` goes to stdin, which is then closed."""
        stdout, _ = communicate(self.process, data)
        return Done(self.process.returncode, stdout, self.stderr(), self._objects())

    def _objects(self):
        if not os.path.exists(self._report):
            return []
        with open(self._report, "rb") as file:
            objects = [parse_line(line) for line in file]
        kinds = [item["type"] for item in objects]
        if kinds:
            assert kinds[0] == "start" and kinds[-1] == "end", kinds
            assert set(kinds[1:-1]) <= {"flag", "lost"}, kinds
            assert all(item["event"] == "raised" for item in objects if item["type"] == "flag")
        return objects


def run(command, *options, data=b"", **how):
    """A whole `tcpdwell run`."""
    with Run(command, *options, **how) as running:
        return running.done(data)


class Peer:
    """A server in a namespace, in the test's own process, which tcpdwell does not follow.

    `hangs_up` closes at once after accept(), `greets` sends data before that, `echoes` answers
    until the client's FIN, `holds` does not close before the end of the test.
    """

    def __init__(self, netns, family, behaviour):
        self.address, self._serve, self._held = LOOPBACK[family], getattr(self, behaviour), []
        with netns.inside():
            self._listener = socket.create_server((self.address, 0), family=FAMILIES[family])
        self.port = self._listener.getsockname()[1]
        self.where = {"address": self.address, "port": self.port}
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RD)  # ends accept()
        self._thread.join()
        for sock in [self._listener, *self._held]:
            sock.close()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._serve(sock)

    @staticmethod
    def hangs_up(sock):
        sock.close()

    @staticmethod
    def greets(sock):
        sock.sendall(b"hello")
        sock.close()

    @staticmethod
    def echoes(sock):
        with sock:
            while data := sock.recv(100):
                sock.sendall(data)

    def holds(self, sock):
        self._held.append(sock)
