"""Where every connection ends without a minisock, the kernel is asked about a few of them only."""
import collections
import re
import socket
import time

from lib.child import Child
from lib.netns import Netns, sysctl
from lib.tracer import Tracer, connections_in

TIME_WAITS = 16
CONNECTIONS = 4000
AT_ONCE, A_SECOND = 200, 200  # the limits of questions.cpp
ASKED = re.compile(r"querying \d+ sockets, (\d+) of which seem to have ended")


def churn(child):
    """Connections of one namespace that the client closes first; waits to be told to begin."""
    netns = Netns.create()
    sysctl("ipv4.tcp_max_tw_buckets", TIME_WAITS)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        child.tell(netns.inum)
        child.told()
        for _ in range(CONNECTIONS):
            client = socket.create_connection(listener.getsockname())
            server, _ = listener.accept()
            client.close()
            server.close()
        child.tell()
        child.told()  # the namespace stays


def identity(item):
    return (item["cookie"], item["life"], *item["local"].values(), *item["remote"].values())


def closed_first(objects, inum):
    return [item for item in connections_in(objects, inum) if item["closed_by"] == "local"]


def test_questions_stay_within_their_bound():
    child = Child(churn)
    inum = child.told()
    with Tracer("-v", "--netns", inum, "--only", "connection") as tracer:
        began = time.monotonic()
        child.tell()
        child.told()
        tracer.wait_for(lambda objects: len(closed_first(objects, inum)) >=
                        CONNECTIONS - TIME_WAITS - 100, "the ends")
        seconds = time.monotonic() - began
        child.tell()
        child.result()
        objects = tracer.stop()
        asked = sum(map(int, ASKED.findall(tracer.stderr())))
    told = connections_in(objects, inum)
    how = collections.Counter(item["ended"] for item in closed_first(objects, inum))
    end = objects[-1]
    assert end["lost"] == 0
    assert how["overflow"] >= CONNECTIONS - TIME_WAITS - end["unseen"], how
    assert 100 < asked <= AT_ONCE + A_SECOND * (seconds + 1), f"asked {asked} in {seconds:.1f} s"
    twice = [key for key, count in collections.Counter(map(identity, told)).items() if count > 1]
    assert not twice, f"told twice: {twice[:5]}"
