# SPDX-License-Identifier: Apache-2.0
"""HTTP clients that report their port, their bytes, and their times."""

import os
import subprocess
from typing import NamedTuple

from lib.clock import Bracket, now
from lib.life import ANY, Who, me
from lib.patience import STALLED_S, communicate

from real import needs
from real.servers import LOOPBACK, endpoint


class Visit(NamedTuple):
    """One connection, as its client saw it."""

    who: Who
    port: int
    sent: int
    received: int
    at: Bracket  # from before connect() to after the end


def _request(path, headers):
    lines = [f"GET {path} HTTP/1.1", "Host: test", *headers, "", ""]
    return "\r\n".join(lines).encode()


def until_the_server_closes(netns, family, port, path="/", headers=(), requests=1):
    """Keeps the connection until its end of stream, so that the server is sure to close first."""
    request = _request(path, headers)
    received = 0
    with netns.socket(family) as client:
        client.settimeout(STALLED_S)
        began = now()
        client.connect((LOOPBACK[family], port))
        own_port = client.getsockname()[1]
        for _ in range(requests):
            client.sendall(request)
            received += len(_answer(client))
        assert client.recv(1) == b"", "more than was asked for"
    return Visit(me(ANY), own_port, len(request) * requests, received, Bracket(began, now()))


def closing_first(netns, family, port, path="/"):
    """Takes the whole answer, then closes while the server would keep the connection."""
    request = _request(path, ())
    with netns.socket(family) as client:
        client.settimeout(STALLED_S)
        began = now()
        client.connect((LOOPBACK[family], port))
        own_port = client.getsockname()[1]
        client.sendall(request)
        received = len(_answer(client))
    return Visit(me(ANY), own_port, len(request), received, Bracket(began, now()))


def curl(netns, family, port, path="/"):
    """curl closes first, when it has the answer."""
    report = "%{local_port} %{size_request} %{size_header} %{size_download}"
    command = [needs.program("curl"), "--silent", "--show-error", "--globoff", "--max-time", str(STALLED_S)]
    command += ["--noproxy", "*", "--output", os.devnull, "--write-out", report]
    began = now()
    url = f"http://{endpoint(family, port)}{path}"
    process = netns.start([*command, url], stdout=subprocess.PIPE, text=True)
    output, _ = communicate(process)
    assert process.returncode == 0
    port, sent, headers, body = map(int, output.split())
    who = Who(process.pid, ANY, "curl")
    return Visit(who, port, sent, headers + body, Bracket(began, now()))


def _answer(client):
    """One answer with Content-Length, as bytes."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        assert more, f"the server closed in the middle: {data!r}"
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    fields = dict(
        line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
    )
    missing = int(fields[b"content-length"]) - len(body)
    while missing > 0:
        more = client.recv(missing)
        assert more, "the server closed in the middle of its answer"
        data += more
        missing -= len(more)
    return data
