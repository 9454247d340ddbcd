# SPDX-License-Identifier: Apache-2.0
"""Lines of code of interpreters and servers that the live tests do not install."""

import os
import shutil
import subprocess

import pytest
from lib.patience import wait_for
from lib.run import PYTHON
from lib.tracer import Tracer
from real.needs import program
from support.load import request
from test_where_events import FLAGS, flag_of_a_known_python, flags_of, raised, where

PROGRAMS = os.path.join(os.path.dirname(__file__), "programs")
LIVE = os.path.join(os.path.dirname(__file__), "..", "live", "where")
MERGED_USR = 'mkdir -p "$1/usr/lib64" && ln -s usr/lib usr/lib64 "$1"'
SUITES = {"trixie": "python3.13", "sid": "python3.14"}


def line_of(source, words):
    with open(source, encoding="ascii") as file:
        (found,) = [number for number, line in enumerate(file, 1) if words in line]
    return found


@pytest.mark.parametrize("suite", SUITES)
def test_python_of_a_later_debian(suite, tmp_path):
    """In a root tree of its own: its libraries, and its paths, are not those of this host."""
    python, root = SUITES[suite], tmp_path / "root"
    made = subprocess.run(
        [program("mmdebstrap"), "--variant=extract", f"--setup-hook={MERGED_USR}",
         "--aptopt=Acquire::Check-Valid-Until \"false\"",  # a snapshot may be old; it is signed all the same
         f"--include={python}-minimal,lib{python}-stdlib", suite, root],
        capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no root tree of {suite}: {made.stderr[-300:]}")
    shutil.copy(f"{LIVE}/peek.py", root)
    flag, _ = flag_of_a_known_python(["chroot", root, f"/usr/bin/{python}", "/peek.py"])
    opened, eof_read = where(flag, "peek.py")
    assert opened[0] == ("connect", line_of(f"{LIVE}/peek.py", "# connects"))
    assert eof_read[0] == ("read", line_of(f"{LIVE}/peek.py", "# reads"))
    assert [frames[-1] for frames in (opened, eof_read)] == [
        ("<module>", line_of(f"{LIVE}/peek.py", "leaked = [leak()"))] * 2
    (thread,) = flag["where"]["blocked"]
    assert thread["call"] == "read" and thread["stack"][-1]["function"] == "<module>"


def test_worker_of_gunicorn(place):
    """Its workers are forks that never execute a program: the interpreter is known from the arbiter."""
    port, backend = 8000, place.listener(9000)
    environment = {**os.environ, "BACKEND_PORT": "9000"}
    arbiter = [PYTHON, program("gunicorn"), "--workers", "2", "--bind", f"127.0.0.1:{port}", "--chdir",
               PROGRAMS, "--log-level", "warning", "leaky_app:app"]
    with Tracer(*FLAGS, "--netns", place.inum) as tracer:
        place.start(arbiter, env=environment)
        wait_for(lambda: place.is_served(port), "gunicorn")
        client = place.connect(port)
        client.sendall(request("/"))
        backend.accept()[0].close()
        tracer.wait_for(raised, "a flag")
        flag, *_ = [item for item in raised(tracer.stop()) if item["remote"]["port"] == 9000]
    opened, eof_read = where(flag, "leaky_app.py")
    source = f"{PROGRAMS}/leaky_app.py"
    assert opened == [("checkout", line_of(source, "# connects")), ("app", line_of(source, "made = checkout()"))]
    assert eof_read == [("app", line_of(source, "# reads"))]


def test_uvloop():
    """The coroutine that connects is on the stack; the end of stream is read by libuv, in the loop."""
    if subprocess.run([PYTHON, "-c", "import uvloop"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no uvloop here")
    (flag,), _ = flags_of([PYTHON, f"{PROGRAMS}/loop_uv.py"])
    opened, _ = where(flag, "loop_uv.py")
    assert opened[0] == ("checkout", line_of(f"{PROGRAMS}/loop_uv.py", "# connects"))
    assert flag["where"]["eof_read"], flag["where"]["missing"]
