# SPDX-License-Identifier: Apache-2.0
"""The JDK's HttpServer: one thread accepts, the threads of a pool read and answer."""

import pathlib
import re
import subprocess

import pytest
from lib.clock import Bracket, now, timed
from lib.patience import run, wait_for, work
from real.needs import program
from support.health import Health
from support.judge import Judge, held, looked_at, unaccepted
from support.load import request

PORT, THREADS, BACKLOG = 8100, 2, 8
SOURCE = pathlib.Path(__file__).with_name("programs") / "Web.java"


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    made = tmp_path_factory.mktemp("classes")
    done = run([program("javac"), "-d", made, SOURCE])
    assert done.returncode == 0, done.stderr.decode()
    return made


def java(classes, threads):
    return [program("java"), "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Xmx64m", "-cp", classes,
            "Web", PORT, threads]


def starts(place, classes, threads):
    process = place.start(java(classes, threads), stdin=subprocess.PIPE)
    wait_for(lambda: place.is_served(PORT), "java", lambda: work(process.pid))
    return process.pid


def hangs(place, pid):
    client = place.connect(PORT)
    client.sendall(request("/hang"))
    wait_for(lambda: [row for row in place.rows("ESTABLISHED", PORT, held_by=[pid])
                      if row.remote[1] == client.getsockname()[1] and row.unread == 0],
             "a thread to read it", lambda: work(pid))
    return client


def test_all_threads_blocked(place, classes):
    """Every thread of the pool waits for a lock. Who gave up waiting is stuck: CLOSE_WAIT, with its
    end unread where a thread had the request, with the request unread where none came to it. Flags
    are right. What to run is the JVM's own."""
    pid = starts(place, classes, THREADS)
    with Judge(place) as judge:
        hanging = [hangs(place, pid) for _ in range(THREADS)]
        later = [place.connect(PORT) for _ in range(3)]
        ask = request("/")
        for client in later:
            client.sendall(ask)
        wait_for(lambda: not place.waiting(PORT), "the accepting thread")
        ports = [client.getsockname()[1] for client in hanging]
        began = now()
        for client in hanging + later:
            client.close()
        rows = place.wait_for_rows(len(hanging + later), "CLOSE_WAIT", PORT, held_by=[pid])
        since = Bracket(began, now())
        taken = [row for row in rows if row.remote[1] in ports]
        others = [row for row in rows if row not in taken]
        text = judge.verdict(
            held("CLOSE_WAIT", "eof_unread", taken, since, unread=0)
            + held("CLOSE_WAIT", "data_unread", others, since, unread=len(ask))
        )
        assert looked_at(text) == {pid}, text
        assert re.search(rf"(jstack {pid}|jcmd {pid} Thread.print)(?!\d)", text), text


def test_accepting_thread_blocked(place, classes):
    """Without a pool a request that hangs keeps the server from accepting. A flag ACCEPT is right
    for those who wait, none for the client that is served."""
    pid = starts(place, classes, 0)
    with Judge(place) as judge:
        hangs(place, pid)
        _, since = timed(lambda: [place.connect(PORT).sendall(request("/")) for _ in range(3)])
        waiting = place.waiting(PORT)
        assert len(waiting) == 3 and place.queue(PORT) == (3, BACKLOG)
        text = judge.verdict(unaccepted(place, PORT, waiting, since))
        assert looked_at(text) == {pid}, text
        assert re.search(rf"(jstack {pid}|jcmd {pid} Thread.print)(?!\d)", text), text


def test_healthy(place, classes):
    """No flag would be right: the server closes what its clients have closed."""
    with Health(place) as health:
        health.runs(java(classes, 4), lambda: place.is_served(PORT), None)
        health.load(PORT, families=(4,))
        health.verdict()
