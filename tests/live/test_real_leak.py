# SPDX-License-Identifier: Apache-2.0
"""A leak in a real server: a small broken service behind nginx, in a trace and in `leaks`.

nginx closes its connection to the service after the answer, or after a timeout. A connection that
the service does not close then is a leak; nginx's own connections, and those that the service closes,
are not.
"""

import os
import re

import pytest
from lib.clock import SECOND
from lib.lifecycle import endpoints
from real.clients import until_the_server_closes
from real.servers import LOOPBACK, Nginx, Service, endpoint
from real.fixture import ServerFixture
from test_leaks import flags, leaks, line_of

pytest_plugins = ["real.pytest_fixtures"]
pytestmark = pytest.mark.hidden_events

COMM = "orders"
FRONT, SERVICE = 8080, 9000
BODY = b"an order that nobody reads"
WATCHED = ("--flag", "CLOSE_WAIT=1s")
# A socket that was flagged after one second is certainly over this one.
ASKED = ("--flag", "CLOSE_WAIT=500ms", "--flag", "ACCEPT=500ms")
NGINX = "".join(
    f"""
    server {{
      listen {endpoint(family, FRONT)};
      proxy_read_timeout 1s;
      location / {{ proxy_pass http://{endpoint(family, SERVICE)}; }}
      location /ignores {{
        proxy_pass http://{endpoint(family, SERVICE)};
        proxy_method POST;
        proxy_set_body "{BODY.decode()}";
      }}
    }}"""
    for family in (4, 6)
)
# A keep-alive connection that nginx gives up after it was idle for a second.
POOL = "".join(
    f"""
    upstream pool{family} {{
      server {endpoint(family, SERVICE)};
      keepalive 4;
      keepalive_timeout 1s;
    }}
    server {{
      listen {endpoint(family, FRONT)};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      location / {{ proxy_pass http://pool{family}; }}
    }}"""
    for family in (4, 6)
)
CAUSES = {"/forgets": ("eof_read", 0), "/hangs": ("eof_unread", 0),
          "/ignores": ("data_unread", len(BODY))}


@pytest.fixture
def shop(tmp_path, family):
    with ServerFixture(tmp_path, *WATCHED) as fixture:
        yield Shop(fixture, family)


class Shop:
    """nginx, the service, and the leaked sockets."""

    def __init__(self, fixture, family):
        self.fixture, self.netns, self.family = fixture, fixture.netns, family
        self.service = None

    def opens(self, http=NGINX, in_line=False):
        self.service = self.fixture.serve(Service, SERVICE, COMM, in_line)
        self.fixture.serve(Nginx, http, (FRONT,))

    def visit(self, *paths):
        for path in paths:
            until_the_server_closes(self.netns, self.family, FRONT, path, ("Connection: close",))

    def handled(self):
        """{nginx's port: the expected flag} of the requests that hit a bug."""
        return {
            line["peer"]: (*CAUSES[line["path"]], line["fd"])
            for line in self.service.said()
            if line.get("path") in CAUSES
        }

    def listener(self):
        line, = self.service.said(address=LOOPBACK[self.family])
        return line["listener"]

    def leaked(self):
        """The sockets in CLOSE_WAIT according to ss, by cookie."""
        return {row.cookie: row for row in self.netns.sockets() if row.state == "CLOSE_WAIT"}

    def flagged(self, number):
        """Waits for that many flags, and gives ss's rows of the leak, and the flags."""

        def raised(objects):
            return [item for item in objects if item["type"] == "flag"]

        self.fixture.tracer.wait_for(
            lambda objects: len(raised(objects)) >= number, f"{number} flags"
        )
        rows = self.leaked()
        assert len(rows) == number, f"the test has leaked {rows}"
        return rows, raised(self.fixture.tracer.objects())

    def check(self, rows, got, handled):
        """Exactly these sockets, each with its cause, and with the one descriptor that holds it."""
        assert sorted(item["cookie"] for item in got) == sorted(rows)
        for item in got:
            row = rows[item["cookie"]]
            cause, unread, fd = handled.get(row.remote[1], ("not_accepted", None, self.listener()))
            if unread is None:
                unread = row.unread - 1  # its FIN
                assert unread > 0, "nginx has sent its request"
            assert (item["event"], item["state"]) == ("raised", "CLOSE_WAIT"), item
            assert endpoints(item) == (row.local, row.remote), item
            assert row.local == (LOOPBACK[self.family], SERVICE), "the service's end"
            assert (item["cause"], item["unread_bytes"]) == (cause, unread), item
            holder = {"pid": self.service.pid, "fd": fd, "comm": COMM}
            assert [{name: each[name] for name in holder} for each in item["holders"]] == \
                [holder], item
            if cause != "not_accepted":
                assert inode(self.service.pid, fd) == row.inode != 0, f"{item} {row}"

    def asked(self, rows, handled):
        """`leaks` says the same, to scripts and to people."""
        got = flags(leaks(self.netns, "--json", *ASKED))
        self.check(rows, got, handled)
        text = leaks(self.netns, *ASKED).decode()
        group = text.splitlines()[line_of(text, COMM):]
        for word in (self.service.pid, SERVICE):
            assert re.search(rf"(?<!\d){word}(?!\d)", "\n".join(group)), f"{word} is not in\n{text}"
        assert "nginx" not in text, text
        return text

    def closes(self, rows):
        """With the service the leak is over."""
        self.service.stop()
        assert flags(leaks(self.netns, "--json", *ASKED, status=0)) == []
        leaks(self.netns, *ASKED, status=0)
        objects = self.fixture.tracer.stop()
        end = objects[-1]
        assert (end["flags_raised"], end["flags_open"]) == (len(rows), 0)
        cleared = [item for item in objects if item["type"] == "flag"][len(rows):]
        assert sorted(item["cookie"] for item in cleared) == sorted(rows)
        assert {item["event"] for item in cleared} == {"cleared"}
        for item in cleared:
            assert item["dwell_ns"] >= SECOND, item


def inode(pid, fd):
    return os.stat(f"/proc/{pid}/fd/{fd}").st_ino


@pytest.mark.parametrize("path", CAUSES)
def test_service_that_does_not_close(shop, path):
    """Three requests run into the bug, and others before, between and after them do not."""
    shop.opens()
    shop.visit("/", path, "/", path, path, "/")
    rows, got = shop.flagged(3)
    handled = shop.handled()
    assert len(handled) == 3
    shop.check(rows, got, handled)
    text = shop.asked(rows, handled)
    assert re.search(r"(?<!\d)3(?!\d)", text.splitlines()[line_of(text, COMM)]), f"no 3 in\n{text}"
    shop.closes(rows)


def test_every_bug_at_once(shop):
    shop.opens()
    shop.visit(*CAUSES, "/")
    rows, got = shop.flagged(len(CAUSES))
    handled = shop.handled()
    assert {cause for cause, _, _ in handled.values()} == {cause for cause, _ in CAUSES.values()}
    shop.check(rows, got, handled)
    shop.asked(rows, handled)
    shop.closes(rows)


def test_connection_that_nginx_kept_and_gave_up(shop):
    """The bug strikes at the end of a keep-alive connection, long after its last answer."""
    shop.opens(POOL)
    shop.visit("/", "/forgets")
    rows, got = shop.flagged(1)
    handled = shop.handled()
    shop.check(rows, got, handled)
    shop.asked(rows, handled)
    shop.closes(rows)


def test_accept_loop_that_hangs(shop):
    """The request that blocks it is read completely; later connections are not accepted."""
    shop.opens(in_line=True)
    shop.visit("/", "/hangs")
    shop.visit("/", "/")  # nginx loses its patience, and answers 504
    rows, got = shop.flagged(3)
    handled = shop.handled()
    assert [cause for cause, _, _ in handled.values()] == ["eof_unread"]
    shop.check(rows, got, handled)
    assert sorted(item["cause"] for item in got) == ["eof_unread", "not_accepted", "not_accepted"]
    shop.asked(rows, handled)
    shop.closes(rows)
