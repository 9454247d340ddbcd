"""In a flood the tracer's memory stays flat, and evictions are counted."""
import os

import pytest

from lib.clock import pause
from lib.patience import cpu_ticks
from lib.tracer import Tracer
from whole import floods
from whole.traffic import CHURN

MOST = 1000  # connections in the table
MB = 1 << 20
GROWTH = 6 * MB  # for caches, arenas and a busy machine; a leak adds more
# What the first flood does, and then three times as much; and whether the table must overflow.
FLOODS = {"syns": (floods.syns, 4000, True), "connections": (floods.connections, 5000, True),
          "forks": (floods.forks, 200, False), "namespaces": (floods.namespaces, 40, False)}


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def settled(tracer):
    """Waits until the ring is in the table, and all questions are answered."""
    before = None
    while before != (before := (len(tracer.objects()), cpu_ticks(tracer.process.pid))):
        pause(0.5)
    return resident(tracer.process.pid)


@pytest.mark.parametrize("name", FLOODS)
def test_memory_is_flat(name):
    flood, number, overflows = FLOODS[name]
    if not os.access(CHURN, os.X_OK):
        pytest.skip(f"there is no load generator at {CHURN}: build it, or set TCPDWELL_CHURN")
    with Tracer("--port", floods.PORT, "--max-connections", MOST, "--only",
                "flag,connection") as tracer:
        flood(number)
        first = settled(tracer)
        flood(3 * number)
        second = settled(tracer)
        end = tracer.stop()[-1]
    assert second - first < GROWTH, \
        f"{first / MB:.1f} MB after {number}, {second / MB:.1f} MB after {4 * number}"
    assert end["open"] <= MOST
    assert not overflows or end["evicted"] > 0, "the table was full, and nothing had to leave"
