# SPDX-License-Identifier: Apache-2.0
"""A proxy in between: two conversations, four ends, and each end's owner is the right process."""

import pytest
from lib.clock import MS, SECOND
from real.clients import until_the_server_closes
from real.origin import IMPATIENT, PATIENT, Origin
from real.servers import Haproxy, Nginx, endpoint
from real.fixture import aborts, dwell_of, ends

pytest_plugins = ["real.pytest_fixtures"]
pytestmark = pytest.mark.hidden_events

PROXY = 8080
# The proxy keeps a connection to the origin for another request. Which of them tires first?
NGINX_PROXY = "".join(
    f"""
    upstream patient{family} {{
      server {endpoint(family, PATIENT)};
      keepalive 4;
      keepalive_timeout 1s;
    }}
    upstream impatient{family} {{
      server {endpoint(family, IMPATIENT)};
      keepalive 4;
      keepalive_timeout 60s;
    }}
    server {{
      listen {endpoint(family, PROXY)};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      location /patient {{ proxy_pass http://patient{family}; }}
      location /impatient {{ proxy_pass http://impatient{family}; }}
    }}"""
    for family in (4, 6)
)
# haproxy keeps its connection to the impatient origin, too; the other one it closes at once.
HAPROXY = "".join(
    f"""
frontend front{family}
  bind {endpoint(family, PROXY)}
  use_backend impatient{family} if {{ path /impatient }}
  default_backend patient{family}
backend impatient{family}
  server origin {endpoint(family, IMPATIENT)}
backend patient{family}
  option http-server-close
  option http-pretend-keepalive
  server origin {endpoint(family, PATIENT)}
"""
    for family in (4, 6)
)


def through_the_proxy(fixture, family, path):
    """The client lets the proxy close first, so that this leg's end is the same in all tests."""
    headers = ("Connection: close",)
    return until_the_server_closes(fixture.netns, family, PROXY, path, headers)


def promise_client_leg(fixture, family, visit, proxy):
    near, far = fixture.conversation(
        family, (visit.port, PROXY), visit.who, proxy, visit.sent, visit.received
    )
    ends(far, near, proxy, visit.who)


def test_nginx_as_proxy_whose_origin_closes_first(fixture, family):
    origin = Origin(fixture)
    proxy = fixture.serve(Nginx, NGINX_PROXY, (PROXY,))
    visit = through_the_proxy(fixture, family, "/impatient")
    proxy_worker = proxy.visit(PROXY, visit.port).worker
    promise_client_leg(fixture, family, visit, proxy_worker)
    near, far, worker = origin.visited_by_proxy(family, IMPATIENT, proxy_worker)
    ends(far, near, worker, proxy_worker)
    objects = fixture.verify()
    assert dwell_of(objects, far, "ESTABLISHED") >= SECOND - 10 * MS, "nginx waits for 1 s"


def test_nginx_as_proxy_that_closes_first(fixture, family):
    origin = Origin(fixture)
    proxy = fixture.serve(Nginx, NGINX_PROXY, (PROXY,))
    visit = through_the_proxy(fixture, family, "/patient")
    proxy_worker = proxy.visit(PROXY, visit.port).worker
    promise_client_leg(fixture, family, visit, proxy_worker)
    near, far, worker = origin.visited_by_proxy(family, PATIENT, proxy_worker)
    ends(near, far, proxy_worker, worker)
    objects = fixture.verify()
    assert dwell_of(objects, near, "ESTABLISHED") >= SECOND - 10 * MS, "nginx waits for 1 s"


def test_haproxy_whose_origin_closes_first(fixture, family):
    origin = Origin(fixture)
    haproxy = fixture.serve(Haproxy, HAPROXY, (PROXY,))
    visit = through_the_proxy(fixture, family, "/impatient")
    process = haproxy.who(haproxy.pid)
    promise_client_leg(fixture, family, visit, process)
    near, far, worker = origin.visited_by_proxy(family, IMPATIENT, process)
    ends(far, near, worker, process)
    fixture.verify()


def test_haproxy_that_closes_first(fixture, family):
    """It does so with an RST, to save the TIME_WAIT; the kernel's counter tells if it did."""
    origin = Origin(fixture)
    haproxy = fixture.serve(Haproxy, HAPROXY, (PROXY,))
    resets = fixture.netns.resets_sent()
    visit = through_the_proxy(fixture, family, "/patient")
    process = haproxy.who(haproxy.pid)
    promise_client_leg(fixture, family, visit, process)
    near, far, worker = origin.visited_by_proxy(family, PATIENT, process)
    fixture.settle()  # the client's leg ends before the other one
    if fixture.netns.resets_sent() > resets:
        aborts(near, far, process)
    else:
        ends(near, far, process, worker)
    fixture.verify()
