# SPDX-License-Identifier: Apache-2.0
"""nginx and its clients: the side that closes first has the TIME_WAIT, and the worker is the owner."""

import os
import pathlib
import signal

import pytest
from lib.clock import MS, SECOND
from lib.patience import wait_for
from real.clients import closing_first, curl, until_the_server_closes
from real.origin import IMPATIENT, PATIENT, Origin, client_closed_first, nginx_closed_first
from real.fixture import dwell_of

pytest_plugins = ["real.pytest_fixtures"]
pytestmark = pytest.mark.hidden_events


def test_keepalive_timeout_closes_on_the_side_of_nginx(fixture, family):
    origin = Origin(fixture)
    visit = until_the_server_closes(fixture.netns, family, IMPATIENT, requests=2)
    promised = origin.visited(family, IMPATIENT, visit)
    nginx_closed_first(promised, visit)
    objects = fixture.verify()
    established = dwell_of(objects, promised[1], "ESTABLISHED")
    whole = visit.at.hi - visit.at.lo
    assert SECOND - 10 * MS <= established <= whole, (
        f"nginx waits 1 s for another request, the client's visit took {whole / MS} ms in all, "
        f"but nginx's end was ESTABLISHED for {established / MS} ms"
    )


def test_connection_close_closes_on_the_side_of_nginx(fixture, family):
    origin = Origin(fixture)
    headers = ("Connection: close",)
    visit = until_the_server_closes(fixture.netns, family, PATIENT, headers=headers)
    nginx_closed_first(origin.visited(family, PATIENT, visit), visit)
    fixture.verify()


@pytest.mark.parametrize("client", [curl, closing_first], ids=["curl", "socket"])
def test_client_that_closes_first_gets_the_time_wait(fixture, family, client):
    origin = Origin(fixture)
    visit = client(fixture.netns, family, PATIENT)
    client_closed_first(origin.visited(family, PATIENT, visit), visit)
    fixture.verify()


def test_owner_is_the_worker_that_accepted(fixture, family):
    """One worker is stopped, so the other one must accept; then vice versa."""
    origin = Origin(fixture)
    seen = []
    for asleep in origin.nginx.workers:
        os.kill(asleep, signal.SIGSTOP)
        try:
            wait_for(lambda pid=asleep: is_stopped(pid), f"worker {asleep} to stop")
            visit = closing_first(fixture.netns, family, PATIENT)
        finally:
            os.kill(asleep, signal.SIGCONT)
        promised = origin.visited(family, PATIENT, visit)
        client_closed_first(promised, visit)
        seen.append(promised[2].pid)
    assert seen == origin.nginx.workers[::-1], "the test did not get both workers to work"
    fixture.verify()


def is_stopped(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(")")[2].split()[0] == "T"


def test_time_wait_of_both_sides_runs_its_course(fixture):
    """The other tests take the namespace down; this one waits, once for all its TIME_WAITs."""
    origin = Origin(fixture)
    for family in (4, 6):
        visit = until_the_server_closes(fixture.netns, family, IMPATIENT)
        nginx_closed_first(origin.visited(family, IMPATIENT, visit), visit, expired=True)
        visit = curl(fixture.netns, family, PATIENT)
        client_closed_first(origin.visited(family, PATIENT, visit), visit, expired=True)
    fixture.verify(expired=True)
