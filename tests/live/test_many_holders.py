"""`leaks` finds the holders of more sockets than the kernel side's table of questions has room for."""
import json
import resource
import socket
import subprocess

import pytest

from lib.child import Child
from lib.netns import Netns
from lib.tracer import BINARY

pytestmark = pytest.mark.hidden_events

MOST_WANTED = 1 << 16  # TCPDWELL_MOST_WANTED
RESERVED = 200  # descriptors that a child has for other things


def holds(count):
    """A child that holds `count` connections, both ends, in a namespace of its own."""
    def job(child):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        netns = Netns.create()
        kept = []
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
            for _ in range(count):
                kept.append(socket.create_connection(listener.getsockname()))
                kept.append(listener.accept()[0])
        child.tell(netns.inum)
        child.told()
    return job


@pytest.fixture(scope="module", name="held")
def held_by_children():
    """{inum of a namespace: pid of its child}, and how many sockets there are in all."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    each = (min(limit, 20_000) - RESERVED) // 2
    wanted = MOST_WANTED // 2 + 500
    children = []
    try:
        while wanted > 0:
            children.append(Child(holds(min(each, wanted))))
            wanted -= each
        yield {child.told(): child.pid for child in children}
    finally:
        for child in children:
            child.kill()


def test_each_socket_has_its_holder(held):
    done = subprocess.run([BINARY, "leaks", "--json", "--flag", "ESTABLISHED=1ms"], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 1, done.stderr
    seen = 0
    for line in done.stdout.splitlines():
        flag = json.loads(line)
        if flag["type"] != "flag" or flag["netns"] not in held or flag["state"] != "ESTABLISHED":
            continue
        seen += 1
        assert [holder["pid"] for holder in flag["holders"]] == [held[flag["netns"]]], flag
    assert seen > MOST_WANTED
