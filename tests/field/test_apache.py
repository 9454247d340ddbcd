# SPDX-License-Identifier: Apache-2.0
"""Apache with the prefork MPM and mod_proxy, which keeps connections to the backend."""

import pathlib
import selectors

from lib.clock import Bracket, now
from lib.patience import wait_for
from real.needs import program
from real.servers import children_of
from support.backend import Backend, http_answer
from support.health import Health
from support.judge import Judge, groups, held, looked_at, names
from support.load import request, to_the_end

PORT, BACKEND, CHILDREN = 8080, 7001, 3
MODULES = "/usr/lib/apache2/modules"


def apache(folder, proxy_options=""):
    modules = "\n".join(
        f"LoadModule {name}_module {MODULES}/mod_{name}.so"
        for name in ("mpm_prefork", "authz_core", "proxy", "proxy_http")
    )
    pathlib.Path(folder, "apache.conf").write_text(
        f"""
ServerRoot {folder}
{modules}
ServerName test
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/log
User nobody
Group nogroup
Listen 127.0.0.1:{PORT}
Listen [::1]:{PORT}
StartServers {CHILDREN}
MinSpareServers {CHILDREN}
MaxSpareServers {CHILDREN + 1}
MaxRequestWorkers 8
KeepAliveTimeout 1
ProxyPass / http://127.0.0.1:{BACKEND}/ {proxy_options}
""",
        encoding="ascii",
    )
    return [program("apache2"), "-f", f"{folder}/apache.conf", "-DFOREGROUND"]


def test_backend_that_closes(place, folder):
    """The backend closes idle connections; a child looks at its own only at its next request. A
    flag CLOSE_WAIT is right, one group. The parent holds none of these sockets."""
    parent = place.start(apache(folder)).pid
    wait_for(lambda: place.is_served(PORT) and len(children_of(parent)) >= CHILDREN, "apache")
    with Judge(place) as judge, SlowBackend(place) as backend:
        clients = [place.connect(PORT) for _ in range(CHILDREN)]
        for client in clients:  # at the same time, so each by a child of its own
            client.sendall(request("/", "Connection: close"))
        for client in clients:
            assert to_the_end(client).startswith(b"HTTP/1.1 200")
            client.close()
        children = children_of(parent)
        began = now()
        backend.closes_all()
        rows = place.wait_for_rows(CHILDREN, "CLOSE_WAIT", None, BACKEND, children)
        expected = held("CLOSE_WAIT", "eof_unread", rows, Bracket(began, now()), unread=0)
        text = judge.verdict(expected)
        assert f"{CHILDREN} processes of apache2" in text, text
        assert len(groups(text, "apache2")) == 1, text
        assert looked_at(text) <= set(children), text
        assert not names(text, parent), text


class SlowBackend(Backend):
    """Answers when it has all requests, so that no child is free for a second one."""

    def __init__(self, place):
        super().__init__(place, BACKEND, http_answer)
        self._asked = []

    def _talk(self, ready, sock):
        if self.answered == 0 and len(self._asked) + 1 < CHILDREN:
            self._asked.append(sock)
            ready.unregister(sock)
            return
        for each in self._asked:
            ready.register(each, selectors.EVENT_READ)
            super()._talk(ready, each)
        self._asked.clear()
        super()._talk(ready, sock)


def test_healthy(place, folder):
    """No flag would be right. The backend closes nothing that is idle for less than a minute."""
    with Health(place) as health, Backend(place, BACKEND, http_answer, idle_s=60):
        health.runs(apache(folder), lambda: place.is_served(PORT))
        health.load(PORT)
        health.verdict()


def test_healthy_with_a_backend_that_closes(place, folder):
    """No flag would be right while there are requests: each child finds out soon, and closes."""
    with Health(place) as health, Backend(place, BACKEND, http_answer, idle_s=0.05):
        health.runs(apache(folder, "ttl=1"), lambda: place.is_served(PORT))
        health.load(PORT)
        health.verdict()
