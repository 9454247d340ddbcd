# SPDX-License-Identifier: Apache-2.0
"""MariaDB closes what is idle for wait_timeout; its clients keep pools of connections."""

import pathlib
import signal
import subprocess

from lib.clock import MS, Bracket, now
from lib.patience import wait_for, work
from lib.run import PYTHON, Run
from real.needs import program
from support.health import Health
from support.judge import Judge, dead, groups, looked_at

PORT, SIZE = 3306, 6
POOL = pathlib.Path(__file__).with_name("programs") / "pool.py"


def mariadbd(folder, wait_timeout):
    data = pathlib.Path(folder, "data")
    data.mkdir()
    return [program("mariadbd"), "--no-defaults", f"--datadir={data}", "--skip-grant-tables",
            "--skip-innodb", "--default-storage-engine=Aria", f"--port={PORT}",
            "--bind-address=127.0.0.1", f"--socket={folder}/socket", "--user=root",
            f"--wait-timeout={wait_timeout}", f"--log-error={folder}/log", "--skip-networking=0",
            f"--pid-file={folder}/pid"]


def pool(how):
    return [PYTHON, "-I", POOL, PORT, SIZE, how]


def starts(place, folder, wait_timeout):
    process = place.start(mariadbd(folder, wait_timeout))
    wait_for(lambda: is_ready(process, place, folder), "MariaDB", lambda: work(process.pid))
    return process.pid


def is_ready(process, place, folder):
    assert process.poll() is None, pathlib.Path(folder, "log").read_text()
    return place.is_served(PORT)


def test_careless_pool(place, folder):
    """MariaDB ends what is idle for wait_timeout with an RST, and the pool does not notice: dead
    descriptors, which ss does not show any more. A flag CLOSED is right; they are the pool's."""
    database = starts(place, folder, 1)
    with Judge(place) as judge:
        began = now()
        client = place.start(pool("careless"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert client.stdout.readline() == b"ready\n"
        wait_for(lambda: len(place.dead([client.pid])) == SIZE, "MariaDB to hang up")
        reset = Bracket(began, now())
        assert not place.rows("ESTABLISHED") and not place.rows("CLOSE_WAIT")
        text = judge.verdict(dead("not_closed", place.dead([client.pid]), reset, PORT))
        assert database not in looked_at(text) and looked_at(text) <= {client.pid}, text
        line, = groups(text, "CLOSED")
        assert line.split()[0] == str(SIZE), text


def test_run_of_a_careless_pool(place, folder):
    """`run` fails it: it exits with 0 and has left the dead open."""
    starts(place, folder, 1)
    with Run([str(part) for part in pool("careless")], preexec=place.enter) as run:
        assert run.line() == "ready"
        wait_for(lambda: not place.rows("ESTABLISHED"), "MariaDB to hang up")
        passed = now() + 1500 * MS  # the threshold of a second
        wait_for(lambda: now() > passed, "the threshold")
        done = run.done()
    assert (done.status, [item["flag"] for item in done.flags]) == (1, ["CLOSED"] * SIZE), done


def test_healthy(place, folder):
    """No flag would be right: this pool closes what the database has hung up."""
    with Health(place) as health:
        health.runs(mariadbd(folder, 2), lambda: place.is_served(PORT), signal.SIGTERM)
        health.runs(pool("careful"), lambda: len(place.rows("ESTABLISHED", PORT)) == SIZE, None)
        health.idle()
        assert health.verdict()["connections"] >= SIZE, "MariaDB has hung up on nobody"
