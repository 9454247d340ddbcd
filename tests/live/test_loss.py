"""Lost events are counted, reported, and never become a wrong number."""
import json
import signal

import pytest

from lib.tracer import Tracer
from test_behaviour import about, churn

pytestmark = pytest.mark.hidden_events

CONNECTIONS = 3000


def transitions_made(number):
    """A client's and a server's three, and the listener's two."""
    return 6 * number + 2


def stalled_burst(*options, status=0):
    """A burst while the tracer is stopped, so that a small ring must overflow."""
    with Tracer("--ring-size", 4096, *options) as tracer:
        tracer.process.send_signal(signal.SIGSTOP)
        try:
            made = churn(CONNECTIONS)
        finally:
            tracer.process.send_signal(signal.SIGCONT)
        after = churn(10)
        return tracer.stop(status=status), made, after


def test_loss_is_counted():
    objects, _, after = stalled_burst()
    end, lost = objects[-1], [item for item in objects if item["type"] == "lost"]
    assert end["lost"] > 0 and lost, "a ring of one page swallowed 18,000 events"
    assert sum(item["events"] for item in lost) == end["lost"]
    assert sum(item["transitions"] for item in lost) == end["transitions_lost"]
    assert {item["cause"] for item in lost} <= {"ring_full", "recursion", "damaged"}
    made = transitions_made(CONNECTIONS) + transitions_made(10)
    assert end["transitions"] + end["transitions_lost"] >= made
    assert end["transitions"] + end["transitions_lost"] <= made + 2000, "others trace here, too"
    assert len(about(objects, after)) <= 21


def test_lost_events_are_not_invented():
    """A dwell over a gap is marked: error_ns is not 0, or null."""
    objects, made, _ = stalled_burst()
    for item in about(objects, made, "transition"):
        short = item["dwell_ns"] is None or item["dwell_ns"] < 1_000_000_000
        assert short or item["error_ns"] != 0 or item["from"] == "LISTEN", json.dumps(item)


def test_strict():
    stalled_burst("--strict", status=3)


def test_nothing_is_lost_with_the_default_ring():
    """The ring holds everything. Misses of a program that interrupts itself are counted."""
    with Tracer() as tracer:
        made = churn(CONNECTIONS)
        objects = tracer.stop()
    lost = [item for item in objects if item["type"] == "lost"]
    assert {item["cause"] for item in lost} <= {"recursion"}, lost
    missed = objects[-1]["lost"]
    assert 2 * CONNECTIONS + 1 - missed <= len(about(objects, made)) <= 2 * CONNECTIONS + 1
