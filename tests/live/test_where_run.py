"""The lines of code that `run` shows without being asked, and --where=jit."""
import os
import shutil
import subprocess

import pytest

from lib import patience
from lib.run import PYTHON
from lib.tracer import BINARY

pytestmark = pytest.mark.hidden_events

LEAK = """\
import os, socket, time
listener = socket.create_server(('127.0.0.1', 0))
def leak():
    made = socket.create_connection(listener.getsockname())
    listener.accept()[0].close()
    made.recv(1)
    return made
kept = leak()
time.sleep(1.2)
os._exit(0)
"""
LEAK_OPENED = "opened at leak (<string>:4), from <module> (<string>:8)"
LEAK_READ = "end of stream read at leak (<string>:6), from <module> (<string>:8)"


def run_report(*options):
    done = patience.run([BINARY, "run", *options, "--", PYTHON, "-c", LEAK])
    assert done.returncode == 1, done.stderr.decode()
    return done.stderr.decode()


def test_run_shows_the_line_of_a_program_that_has_ended():
    """Also of the first socket that it opens."""
    report = run_report()
    assert LEAK_OPENED in report and LEAK_READ in report, report
    assert "opened at" not in run_report("--where=no")


def test_run_reads_no_stacks_of_other_processes():
    """Those of a neighbour would use up what is read in a second."""
    churn = ("import socket\n"
             "listener = socket.create_server(('127.0.0.1', 0), backlog=100)\n"
             "print('ready', flush=True)\n"
             "while True:\n"
             "    made = socket.create_connection(listener.getsockname())\n"
             "    listener.accept()[0].close()\n"
             "    made.recv(1)\n"
             "    made.close()\n")
    with patience.start([PYTHON, "-c", churn], stdout=subprocess.PIPE) as neighbour:
        try:
            assert neighbour.stdout.readline() == b"ready\n"
            reports = [run_report() for _ in range(2)]
        finally:
            neighbour.kill()
    assert all(LEAK_OPENED in report and LEAK_READ in report for report in reports), reports
    assert not any("not read, because" in report for report in reports), reports


def test_run_switches_perf_maps_on_and_removes_them(tmp_path):
    """And the log that node writes to its working directory with them; not that of --prof."""
    node = shutil.which("node") or pytest.skip("no node here")
    script = ("setTimeout(() => { console.log(process.pid, require('fs').existsSync("
              "`/tmp/perf-${process.pid}.map`)); }, 100)")
    done = patience.run([os.path.abspath(BINARY), "run", "--where=jit", "--", node, "-e", script], stdout=subprocess.PIPE, cwd=tmp_path)
    pid, existed = done.stdout.split()
    assert existed == b"true"
    assert not os.path.exists(f"/tmp/perf-{pid.decode()}.map")
    assert os.listdir(tmp_path) == []
    patience.run([os.path.abspath(BINARY), "run", "--where=jit", "--", node, "--prof", "-e", script],
                 stdout=subprocess.PIPE, cwd=tmp_path)
    assert len(os.listdir(tmp_path)) == 1
