# SPDX-License-Identifier: Apache-2.0
"""php-fpm with a static pool of children, asked with FastCGI."""

import glob
import os
import pathlib
import signal

import pytest
from lib.clock import MS, Bracket, now
from lib.patience import wait_for
from lib.run import Run
from real.needs import program
from real.servers import children_of, commands_of
from support.backend import Backend, echo
from support.clients import fastcgi_answer, fastcgi_ask
from support.health import Health
from support.judge import Judge, groups, held, looked_at, names, unaccepted

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
        place.wait_for_rows(2, "ESTABLISHED", PORT, held_by=children)
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
        rows = place.wait_for_rows(4, "CLOSE_WAIT", None, BACKEND, children)
        expected = held("CLOSE_WAIT", "eof_unread", rows, Bracket(began, now()), unread=0)
        text = judge.verdict(expected)
        comm = pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip()
        assert f"4 processes of {comm}" in text, text
        assert len(groups(text, comm)) == 1, text
        assert looked_at(text) <= set(children), text
        assert not names(text, master), text


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT], ids=["term", "quit"])
def test_run_with_a_persistent_backend(place, folder, how):
    """`run` fails it: the children had the sockets in CLOSE_WAIT until they ended. SIGTERM ends
    them at once; at SIGQUIT each closes all just before it exits, which comes to the same."""
    command = [str(part) for part in php_fpm(folder, 4, 128)]
    with Run(command, preexec=place.enter, start_new_session=True) as run, \
            Backend(place, BACKEND, echo) as backend:
        wait_for(lambda: place.is_served(PORT), "php-fpm")
        master, = commands_of(run)
        wait_for(lambda: len(children_of(master)) == 4, "php-fpm's children")
        for client in [asks(place, "persistent.php") for _ in range(4)]:
            assert fastcgi_answer(client).startswith("ping")
            client.close()
        backend.closes_all()
        place.wait_for_rows(4, "CLOSE_WAIT", None, BACKEND)
        passed = now() + 1500 * MS  # the threshold of a second
        wait_for(lambda: now() > passed, "the threshold")
        os.kill(master, how)
        done = run.wait()
    flags = [(item["flag"], item["cause"], item["remote"]["port"]) for item in done.flags]
    assert (done.status, flags) == (1, [("CLOSE_WAIT", "eof_unread", BACKEND)] * 4), done


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
