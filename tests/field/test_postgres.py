# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: a process for each connection; whoever listens for notifications is quiet for long."""

import contextlib
import glob
import os
import pathlib
import pwd
import signal

import pytest
from lib import patience
from lib.patience import wait_for, work
from real.needs import program
from real.servers import children_of
from support.clients import postgres_ask, postgres_is_ready, postgres_login, postgres_message
from support.health import Health

PORT = 5432
USER = pwd.getpwnam("nobody")


def binary(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else program(name)


def unprivileged(command):
    """PostgreSQL refuses to run as root."""
    return [program("setpriv"), f"--reuid={USER.pw_uid}", f"--regid={USER.pw_gid}",
            "--clear-groups", "--pdeathsig=TERM", *command]


@pytest.fixture
def data(folder):
    os.chown(folder, USER.pw_uid, USER.pw_gid)
    data = pathlib.Path(folder, "data")
    done = patience.run(unprivileged([binary("initdb"), "--no-sync", "--auth=trust",
                                      "--username=test", f"--pgdata={data}"]), cwd="/")
    assert done.returncode == 0, done.stderr.decode()
    return data


def postgres(data):
    return unprivileged([binary("postgres"), "-D", data, "-p", PORT, "-k", data.parent,
                         "-c", "listen_addresses=127.0.0.1,::1", "-c", "fsync=off",
                         "-c", "max_connections=20"])


def asks(client):
    with client.connect() as sock:
        postgres_login(sock, "test")
        assert "D" in postgres_ask(sock, "SELECT 1")
        postgres_ask(sock, "NOTIFY news, 'hello'")
        sock.sendall(b"X\0\0\0\4")


def leaves_without_a_word(client):
    with client.connect() as sock:
        postgres_login(sock, "test")


def is_ready(place):
    """It accepts connections a moment before it serves them."""
    with contextlib.closing(place.connect(PORT)) as sock:
        return postgres_is_ready(sock, "test")


def test_healthy(place, data):
    """No flag would be right: neither for who listens, ESTABLISHED and quiet, nor for who leaves
    without a word, since its backend ends."""
    with Health(place) as health:
        pid = health.runs(postgres(data), lambda: place.is_served(PORT), signal.SIGINT)
        wait_for(lambda: children_of(pid), "its processes", lambda: work(pid))
        wait_for(lambda: is_ready(place), "a login", lambda: work(pid))
        listeners = [place.connect(PORT, family) for family in (4, 6)]
        for listener in listeners:
            postgres_login(listener, "test")
            postgres_ask(listener, "LISTEN silence")
        health.load(PORT, [asks, leaves_without_a_word])
        speaker = place.connect(PORT)
        postgres_login(speaker, "test")
        postgres_ask(speaker, "NOTIFY silence, 'over'")
        for listener in listeners:
            kind, content = postgres_message(listener)
            assert kind == "A" and b"over" in content
        for client in [speaker, *listeners]:
            client.close()
        health.verdict()
