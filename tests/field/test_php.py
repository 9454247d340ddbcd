# SPDX-License-Identifier: Apache-2.0
"""php-fpm with a static pool of children, asked with FastCGI."""

import glob
import os
import pathlib

import pytest
from lib.clock import Bracket, now
from lib.patience import wait_for
from real.needs import program
from real.servers import children_of
from support.backend import Backend, echo
from support.clients import fastcgi_answer, fastcgi_ask
from support.health import Health
from support.judge import Judge, held, looked_at, names, unaccepted

PORT, BACKEND, BACKLOG = 9000, 7000, 4
PROGRAMS = pathlib.Path(__file__).with_name("programs")


def php_fpm(folder, children, backlog):
    """The command; Debian's program has its version in its name."""
    found = sorted(map(os.path.basename, glob.glob("/usr/sbin/php-fpm[0-9]*")))
    pathlib.Path(folder, "fpm.conf").write_text(
        f"""
[global]
error_log = {folder}/log
daemonize = no
[www]
user = nobody
group = nogroup
listen = 127.0.0.1:{PORT}
listen.backlog = {backlog}
pm = static
pm.max_children = {children}
""",
        encoding="ascii",
    )
    return [program(found[-1] if found else "php-fpm"), "--nodaemonize", "--fpm-config",
            f"{folder}/fpm.conf", "-n"]


def starts(place, folder, children, backlog=128):
    master = place.start(php_fpm(folder, children, backlog))
    wait_for(lambda: len(children_of(master.pid)) == children, "php-fpm's children")
    return master.pid, children_of(master.pid)


def asks(place, script):
    client = place.connect(PORT)
    fastcgi_ask(client, PROGRAMS / script)
    return client


def test_all_children_busy(place, folder):
    """Each child hangs in a script; who comes later is not accepted. A flag ACCEPT is right. The
    master holds the listener, too, and never accepts."""
    master, children = starts(place, folder, 2, BACKLOG)
    with Judge(place) as judge:
        for _ in children:
            asks(place, "hang.php")
        wait_for(lambda: len(place.rows("ESTABLISHED", PORT, held_by=children)) == 2
                 and not place.waiting(PORT), "the children to hang")
        began = now()
        for _ in range(3):
            asks(place, "hello.php")
        since = Bracket(began, now())
        waiting = place.waiting(PORT)
        assert len(waiting) == 3 and place.queue(PORT) == (3, BACKLOG)
        text = judge.verdict(unaccepted(place, PORT, waiting, since))
        assert looked_at(text) and looked_at(text) <= set(children), text
        assert not names(text, master), text


def test_persistent_backend(place, folder):
    """The backend closes idle connections, and no child looks at its own before its next request.
    A flag CLOSE_WAIT is right, each socket would stay for as long as nobody asks. One group: the
    children are one program with one fault."""
    master, children = starts(place, folder, 4)
    with Judge(place) as judge, Backend(place, BACKEND, echo) as backend:
        clients = [asks(place, "persistent.php") for _ in children]
        answers = [fastcgi_answer(client).split() for client in clients]
        assert sorted(answers) == sorted(["ping", str(pid)] for pid in children)
        for client in clients:
            client.close()
        began = now()
        backend.closes_all()
        rows = wait_for(lambda: all_of(place.rows("CLOSE_WAIT", None, BACKEND, children), 4),
                        "the children's CLOSE_WAIT")
        expected = held("CLOSE_WAIT", "eof_unread", rows, Bracket(began, now()), unread=0)
        text = judge.verdict(expected)
        comm = pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip()
        assert f"4 processes of {comm}" in text, text
        assert sum(comm in line for line in text.splitlines()) == 1, f"more than a group:\n{text}"
        assert looked_at(text) <= set(children), text
        assert not names(text, master), text


def all_of(rows, number):
    return rows if len(rows) == number else None


def fastcgi(script):
    def play(client):
        with client.connect() as sock:
            fastcgi_ask(sock, PROGRAMS / script)
            assert fastcgi_answer(sock)
    play.__name__ = script
    return play


def gives_up(client):
    with client.connect() as sock:
        fastcgi_ask(sock, PROGRAMS / "hello.php")


@pytest.mark.parametrize("script", ["hello.php", "persistent.php"])
def test_healthy(place, folder, script):
    """No flag would be right: also the connections to the backend are used or alive."""
    with Health(place) as health, Backend(place, BACKEND, echo) as backend:
        health.runs(php_fpm(folder, 4, 128), lambda: place.is_served(PORT))
        health.load(PORT, [fastcgi(script), fastcgi("hello.php"), gives_up], families=(4,))
        assert (backend.answered > 0) == (script == "persistent.php")
        health.verdict()
