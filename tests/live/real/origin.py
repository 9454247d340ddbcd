# SPDX-License-Identifier: Apache-2.0
"""An nginx with two ports: the impatient one ends a connection after a second without a request."""

from real.servers import Nginx, endpoint
from real.fixture import ends

IMPATIENT, PATIENT = 8001, 8002

_HTTP = "".join(
    f"""
    server {{
      listen {endpoint(4, port)};
      listen {endpoint(6, port)};
      keepalive_timeout {seconds}s;
      default_type text/plain;
      location / {{ return 200 "hello from {port}\\n"; }}
    }}"""
    for port, seconds in ((IMPATIENT, 1), (PATIENT, 60))
)


class Origin:
    """Expects the connections in its log."""

    def __init__(self, fixture):
        self._fixture = fixture
        self.nginx = fixture.serve(Nginx, _HTTP, (IMPATIENT, PATIENT))

    def visited(self, family, port, visit):
        """Both ends of a client's visit, and the worker that served it."""
        served = self.nginx.visit(port, visit.port)
        agreed = (served.received, served.sent) == (visit.sent, visit.received)
        assert agreed, f"nginx logged {served}, but its client did {visit}"
        return self._promise(family, port, visit.port, visit.who, served)

    def visited_by_proxy(self, family, port, proxy):
        """The same for the one visit of `proxy` to `port`."""
        client_port = self.nginx.only_visitor(port)
        return self._promise(family, port, client_port, proxy, self.nginx.visit(port, client_port))

    def _promise(self, family, port, client_port, client, served):
        assert served.worker.pid in self.nginx.workers
        near, far = self._fixture.conversation(
            family, (client_port, port), client, served.worker, served.received, served.sent
        )
        return near, far, served.worker


def client_closed_first(promised, visit, expired=False):
    near, far, worker = promised
    ends(near, far, visit.who, worker, visit.at if expired else None)


def nginx_closed_first(promised, visit, expired=False):
    near, far, worker = promised
    ends(far, near, worker, visit.who, visit.at if expired else None)
