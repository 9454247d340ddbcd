"""Runs `tcpdwell export` in the caller's network namespace, and reads its pages."""
import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request

from .patience import start, wait_for, work
from .tracer import BINARY, TracerError

PORT = 9853
TEXT = "text/plain;version=0.0.4"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
PROTOBUF = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited")
SAMPLE = re.compile(r'^([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def parse(text):
    """{(name, (("label", "value"), ...)): number}. A series that is there twice is an error."""
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        key = name, tuple(sorted(LABEL.findall(labels or "")))
        assert key not in samples, f"twice: {line}"
        samples[key] = float(value)
    return samples


class Exporter:
    """A context manager that ends it. Without `listen` it gets no --listen. `passed`: a listening
    socket, passed as systemd does."""

    def __init__(self, *options, listen=f"127.0.0.1:{PORT}", env=None, passed=None):
        self._dir = tempfile.TemporaryDirectory(prefix="tcpdwell-test-")
        self.ready, self.errors = (os.path.join(self._dir.name, n) for n in ("ready", "stderr"))
        self.options = ["export", "--ready-file", self.ready, *map(str, options),
                        *(["--listen", listen] if listen else [])]
        self._env, self._passed = {**os.environ, **(env or {})}, passed
        self.process = None

    def __enter__(self):
        with open(self.errors, "wb") as stderr:
            self.process = start([*self._command(), *self.options], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=stderr, env=self._env,
                                 pass_fds=[self._passed.fileno()] if self._passed else [])
        try:
            wait_for(self._is_ready, "the ready file", lambda: work(self.process.pid))
        except BaseException:
            self.__exit__()
            raise
        return self

    def _command(self):
        """A shell gives a passed socket its number, and says whom it is for."""
        if not self._passed:
            return [BINARY]
        number = self._passed.fileno()
        return ["/bin/bash", "-c", f'exec 3<&{number} {number}<&-; LISTEN_PID=$$ exec "$0" "$@"',
                BINARY]

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._dir.cleanup()

    def _is_ready(self):
        if self.process.poll() is not None:
            raise TracerError(f"tcpdwell {' '.join(self.options)} ended with status "
                              f"{self.process.returncode}: {self.stderr()}")
        return os.path.exists(self.ready)

    def stderr(self):
        with open(self.errors, encoding="utf-8", errors="replace") as file:
            return file.read()

    def scrape(self, accept=TEXT, timeout=60):
        """The body and the content type."""
        request = urllib.request.Request(f"http://127.0.0.1:{PORT}/metrics",
                                         headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.read(), response.headers["Content-Type"]

    def first_page(self):
        """The samples, once there is a page."""
        return self.wait_for(lambda samples: True, "a page")

    def wait_for(self, condition, what):
        """Scrapes until condition(samples) is true, and returns the samples."""
        def look():
            try:
                samples = parse(self.scrape()[0].decode())
            except urllib.error.HTTPError as error:
                assert error.code == 503, error
                return None
            return samples if condition(samples) else None
        return wait_for(look, what, lambda: work(self.process.pid), every_s=0.2)

    def cpu_seconds(self):
        """CPU time of the server's thread, and of the whole process."""
        ticks = os.sysconf("SC_CLK_TCK")
        def used(path):
            with open(path, encoding="utf-8") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / ticks
        base = f"/proc/{self.process.pid}"
        for task in os.listdir(f"{base}/task"):
            with contextlib.suppress(FileNotFoundError):  # a thread that has ended
                with open(f"{base}/task/{task}/comm", encoding="utf-8") as file:
                    if file.read().strip() == "tcpdwell-http":
                        return used(f"{base}/task/{task}/stat"), used(f"{base}/stat")
        raise AssertionError("there is no server's thread")

    def stop(self, status=0):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == status, self.stderr()


def value(samples, name, **labels):
    """The sum of the series with these labels; 0 if there are none."""
    wanted = set(labels.items())
    return sum(number for (each, own), number in samples.items()
               if each == name and wanted <= set(own))


def raw(text, wait_s=30):
    """Sends these bytes, and returns the answer until the server closes."""
    with socket.create_connection(("127.0.0.1", PORT), timeout=wait_s) as client:
        client.sendall(text)
        answer = b""
        while True:
            try:
                got = client.recv(65536)
            except ConnectionResetError:
                return answer
            if not got:
                return answer
            answer += got
