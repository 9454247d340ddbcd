# SPDX-License-Identifier: Apache-2.0
"""gunicorn with sync workers: a worker serves one request at a time and accepts nothing meanwhile."""

import os

import pytest
from lib.clock import Bracket, now, timed
from lib.patience import wait_for
from real.needs import program
from real.servers import children_of
from support.health import Health
from support.judge import Judge, held, looked_at, names, unaccepted
from support.load import request
from support.place import LOOPBACK

PORT, WORKERS, BACKLOG = 8000, 2, 4
HERE = os.path.join(os.path.dirname(__file__), "programs")


def gunicorn(*more):
    return [program("gunicorn"), "--workers", WORKERS, "--timeout", 0, "--bind",
            f"127.0.0.1:{PORT}", "--bind", f"[::1]:{PORT}", "--chdir", HERE, "--log-level",
            "warning", *more, "gunicorn_app:app"]


def is_ready(place, master):
    return len(children_of(master)) == WORKERS and place.is_served(PORT)


@pytest.mark.parametrize("family", LOOPBACK, ids=["ipv4", "ipv6"])
def test_hung_workers(place, family):
    """All workers hang in a request; who comes later waits in the accept queue, full at last.
    A flag ACCEPT is right: nobody will take them. None is right for the requests that hang, their
    clients wait. The arbiter (the master) holds the listener, too, but never accepts."""
    arbiter = place.start(gunicorn("--backlog", BACKLOG))
    wait_for(lambda: is_ready(place, arbiter.pid), "gunicorn's workers")
    workers = children_of(arbiter.pid)
    with Judge(place) as judge:
        hanging = [hangs(place, family) for _ in range(WORKERS)]
        began = now()
        for _ in range(BACKLOG + 1):
            place.connect(PORT, family).sendall(request("/"))
        since = Bracket(began, now())
        waiting = place.waiting(PORT)
        assert len(waiting) == BACKLOG + 1 and place.queue(PORT, family) == (BACKLOG + 1, BACKLOG)
        expected = unaccepted(place, PORT, waiting, since, family)
        text = judge.verdict(expected)
        assert looked_at(text) and looked_at(text) <= set(workers), text
        assert not names(text, arbiter.pid), f"the arbiter {arbiter.pid} accepts nothing:\n{text}"
        assert "full" in text, text
        # The client of a request that hangs goes away: its worker's socket is stuck, too.
        _, gone = timed(hanging[0].close)
        rows = place.wait_for_rows(1, "CLOSE_WAIT", PORT, held_by=workers)
        text = judge.verdict(expected + held("CLOSE_WAIT", "eof_unread", rows, gone))
        assert looked_at(text) <= set(workers), text


def hangs(place, family):
    """A request that a worker has taken and read."""
    client = place.connect(PORT, family)
    client.sendall(request("/hang"))
    wait_for(lambda: not place.waiting(PORT) and
             all(row.unread == 0 for row in place.rows("ESTABLISHED", PORT)),
             "a worker to take and read it")
    return client


def test_healthy(place):
    """No flag would be right: every connection is served and closed within a second or so."""
    with Health(place) as health:
        health.runs(gunicorn(), lambda: place.is_served(PORT))
        health.load(PORT)
        health.verdict()
