# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus, on loopback of the caller's network namespace, with data in a directory of its own."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.parse
import urllib.request

from lib.patience import start, wait_for, work

PORT = 9090


class Prometheus:
    """A context manager. Scrapes each target every second. `rules`: names of files to load."""

    def __init__(self, targets, rules=(), job="tcpdwell", native=True):
        self.directory = tempfile.mkdtemp(prefix="tcpdwell-prometheus-")
        self.native = native
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                  "rule_files": [os.path.abspath(rule) for rule in rules],
                  "scrape_configs": [{"job_name": job, "static_configs": [
                      {"targets": [address], "labels": {"instance": name}}
                      for name, address in targets.items()]}]}
        self.config = os.path.join(self.directory, "prometheus.yaml")
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(config, file)  # JSON is YAML
        self.process = None

    def __enter__(self):
        feature = ["--enable-feature=native-histograms"] if self.native else []
        with open(os.path.join(self.directory, "log"), "wb") as log:
            self.process = start(
                [shutil.which("prometheus"), f"--config.file={self.config}",
                 f"--storage.tsdb.path={self.directory}/data", *feature,
                 f"--web.listen-address=127.0.0.1:{PORT}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(self._is_ready, "Prometheus", lambda: work(self.process.pid), every_s=0.2)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        shutil.rmtree(self.directory)

    def log(self):
        with open(os.path.join(self.directory, "log"), encoding="utf-8") as file:
            return file.read()

    def _is_ready(self):
        assert self.process.poll() is None, self.log()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/-/ready", timeout=5):
                return True
        except OSError:
            return False

    def _get(self, path, **values):
        url = f"http://127.0.0.1:{PORT}/api/v1/{path}?{urllib.parse.urlencode(values)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{values}: {error.read().decode()}") from error
        return answer["data"]

    def query(self, expression):
        """[(labels, number)]; of a native histogram the number is None."""
        return [(one["metric"], float(one["value"][1]) if "value" in one else None)
                for one in self._get("query", query=expression)["result"]]

    def targets(self):
        return self._get("targets")["activeTargets"]

    def firing(self):
        """{(alert, instance)}, also those that are pending."""
        return {(one["labels"]["alertname"], one["labels"].get("instance"))
                for one in self._get("alerts")["alerts"]}

    def wait_for(self, expression, condition, what):
        def look():
            result = self.query(expression)
            return result if result and condition(result) else None
        return wait_for(look, what, lambda: work(self.process.pid), every_s=0.5)
