"""When the first event ring is full, records go to the second: none is lost, and the order is kept."""
import collections
import json
import os
import re
import signal
import subprocess

import pytest

from lib.clock import SECOND
from lib.netns import Netns, sysctl
from lib.patience import wait_for
from lib.tracer import Tracer
from whole.traffic import CHURN

pytestmark = pytest.mark.skipif(not os.access(CHURN, os.X_OK),
                                reason=f"there is no load generator at {CHURN}: build it, or set "
                                       "TCPDWELL_CHURN")
RING = 8 << 20  # 2 MiB for the first ring, 4 MiB for the second
CONNECTIONS = 2000  # some 3.5 MB of records
ROUNDS = 4


def churn(netns, connections):
    """Exactly that many connections; returns the load generator's own numbers."""
    with netns.inside():
        done = subprocess.run([CHURN, "--connections", str(connections), "--port", "9000"],
                              stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def waiting(tracer):
    """How many connections have reached TIME_WAIT."""
    return sum(item["type"] == "transition" and item["to"] == "TIME_WAIT"
               for item in tracer.objects())


@pytest.fixture(scope="module")
def spilled(tmp_path_factory):
    """(all objects, how many transitions were made, how often the second ring was in use)"""
    with Netns.current().inside():
        netns = Netns.create()
        sysctl("ipv4.tcp_max_tw_buckets", 1_000_000)
    made = 0
    with Tracer("--netns", netns.inum, "--ring-size", RING, "-v",
                output=tmp_path_factory.mktemp("spill") / "out") as tracer:
        for number in range(1, ROUNDS + 1):
            tracer.process.send_signal(signal.SIGSTOP)
            try:
                made += churn(netns, CONNECTIONS)["transitions"]
            finally:
                tracer.process.send_signal(signal.SIGCONT)
            wait_for(lambda: waiting(tracer) > (number - 0.1) * CONNECTIONS,
                     "both rings to be empty", lambda: len(tracer.objects()))
        objects = tracer.stop()
        used = re.search(r"second event ring was in use (\d+) times", tracer.stderr())
    netns.close()
    return objects, made, int(used[1]) if used else 0


def test_the_second_ring_was_in_use(spilled):
    assert spilled[2] >= ROUNDS, "else the other tests here show nothing"


def test_nothing_is_lost(spilled):
    objects, made, _ = spilled
    end = objects[-1]
    assert not [item for item in objects if item["type"] == "lost" and item["cause"] == "ring_full"]
    assert end["transitions"] + end["transitions_lost"] + end["unseen"] == made


def in_order(path):
    """Each transition begins where the last one ended, at its time, and no dwell is doubtful."""
    return all(before["to"] == after["from"] and after["error_ns"] == 0 and
               0 <= after["mono_ns"] - before["mono_ns"] - after["dwell_ns"] < SECOND // 250
               for before, after in zip(path, path[1:]))


def test_each_connections_transitions_come_in_order(spilled):
    """But for what this kernel hid, or a program missed by interrupting itself: a gap in one each."""
    objects, _, _ = spilled
    lives = collections.defaultdict(list)
    for item in objects:
        if item["type"] == "transition":
            lives[item["cookie"], item["life"], item["local"]["port"]].append(item)
    wrong = [path for path in lives.values() if not in_order(path)]
    assert len(lives) >= 2 * ROUNDS * CONNECTIONS
    assert len(wrong) <= objects[-1]["unseen"] + objects[-1]["lost"], \
        f"{len(wrong)} such as {wrong[0]}"
