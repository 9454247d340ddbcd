# SPDX-License-Identifier: Apache-2.0
"""HAProxy: a relay hands on what its peers do, and it has limits."""

import pathlib
import re
import signal
import socket

from lib.clock import Bracket, now
from lib.patience import wait_for
from lib.run import PYTHON
from real.needs import program
from support.backend import Backend, http_answer
from support.health import Health
from support.judge import Judge, held, looked_at, names, other_end, paragraph, unaccepted
from support.load import WEB

PORT, BACKEND, BACKLOG = 8090, 7002, 8
DEAF = pathlib.Path(__file__).with_name("programs") / "deaf.py"


def haproxy(folder, mode="tcp", frontend=""):
    pathlib.Path(folder, "haproxy.cfg").write_text(
        f"""
global
  nbthread 2
defaults
  mode {mode}
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend front
  bind 127.0.0.1:{PORT}
  bind [::1]:{PORT}
  {frontend}
  default_backend back
backend back
  server s1 127.0.0.1:{BACKEND}
""",
        encoding="ascii",
    )
    return [program("haproxy"), "-db", "-f", f"{folder}/haproxy.cfg"]


def starts(place, folder, **how):
    proxy = place.start(haproxy(folder, **how)).pid
    wait_for(lambda: place.is_served(PORT), "haproxy")
    return proxy


def test_half_closed_client(place, folder):
    """The client says that it will send no more; HAProxy hands that on, and the backend reads it
    and never closes. Flags are right for all four ends, all are stuck. But only the backend has the
    fault: HAProxy and the client wait for it."""
    proxy = starts(place, folder)
    backend = place.start([PYTHON, "-I", DEAF, BACKEND]).pid
    wait_for(lambda: place.is_served(BACKEND), "the backend")
    with Judge(place) as judge:
        client = place.connect(PORT)
        client.sendall(b"all that I have to say")
        place.wait_for_rows(1, "ESTABLISHED", BACKEND, held_by=[backend])
        began = now()
        client.shutdown(socket.SHUT_WR)
        waits = (place.wait_for_rows(1, "FIN_WAIT_2", None, PORT)
                 + place.wait_for_rows(1, "FIN_WAIT_2", None, BACKEND, held_by=[proxy]))
        ended = (place.wait_for_rows(1, "CLOSE_WAIT", PORT, held_by=[proxy])
                 + place.wait_for_rows(1, "CLOSE_WAIT", BACKEND, held_by=[backend]))
        since = Bracket(began, now())
        expected = (held("FIN_WAIT_2", "half_closed", waits, since)
                    + held("CLOSE_WAIT", "eof_read", ended, since))
        text = judge.verdict(expected)
        for group in (paragraph(text, "CLOSE_WAIT", "haproxy"),
                      paragraph(text, "FIN_WAIT_2", "haproxy")):
            assert proxy not in looked_at(group), f"HAProxy is not to blame:\n{group}"
            assert not re.search(r"(let|make) haproxy\b[^\n]*close", group), group
            assert f":{BACKEND}" in group, f"the peer that does not close is not named:\n{group}"
        assert looked_at(text) == {backend}, text
        item, = (item for item in judge.raised() if item["remote"]["port"] == BACKEND)
        assert other_end(item) == (backend, "CLOSE_WAIT")


def test_at_its_limit(place, folder):
    """HAProxy accepts no more than maxconn; what comes later waits in the accept queue. A flag is
    right, these clients get no answer for as long as the others stay. It may be just busy."""
    proxy = starts(place, folder, frontend=f"maxconn 2\n  backlog {BACKLOG}")
    with Judge(place) as judge, Backend(place, BACKEND, http_answer):
        for _ in range(2):
            place.connect(PORT)
        place.wait_for_rows(2, "ESTABLISHED", PORT, held_by=[proxy])
        began = now()
        for _ in range(3):
            place.connect(PORT)
        since = Bracket(began, now())
        waiting = place.waiting(PORT)
        assert len(waiting) == 3 and place.queue(PORT) == (3, BACKLOG)
        text = judge.verdict(unaccepted(place, PORT, waiting, since))
        assert "limit" in text and names(text, proxy), text


def test_healthy_relay(place, folder):
    """No flag would be right: a half-closed upload ends as soon as the backend has answered."""
    with Health(place) as health, Backend(place, BACKEND, http_answer, idle_s=1):
        health.runs(haproxy(folder), lambda: place.is_served(PORT), signal.SIGUSR1)
        health.load(PORT, [play for play in WEB if play.__name__ == "keeps_alive"])
        health.verdict()


def test_healthy_web(place, folder):
    """No flag would be right."""
    with Health(place) as health, Backend(place, BACKEND, http_answer, idle_s=1):
        health.runs(haproxy(folder, "http"), lambda: place.is_served(PORT), signal.SIGUSR1)
        health.load(PORT)
        health.verdict()
