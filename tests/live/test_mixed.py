"""Random mixed traffic, shortened: `./dev soak mixed` is the long one."""
import os
import random

import pytest

from lib.clock import SECOND
from lib.ss import Row
from mixed.traced_lives import TracedLives
from mixed.moments import Moment, compare
from mixed.run import Run

SECONDS, MOMENTS = 30, 30
ENDS = ("10.0.0.1", 1), ("10.0.0.2", 2)


def test_state_table_and_counters_agree_with_the_kernel():
    seed = int(os.environ.get("TCPDWELL_SEED", random.randrange(1 << 32)))
    run = Run(SECONDS, seed, MOMENTS)
    print(run)
    assert not run.failed, f"\n{run}"
    assert run.compared > 1000 and len(run.traced.lives) > 500, "too little went on"


def line(at, left, entered, cookie="a"):
    here, there = ({"addr": address, "port": port} for address, port in ENDS)
    return {"type": "transition", "mono_ns": at * SECOND, "netns": 1, "cookie": cookie, "life": 0,
            "role": "client", "local": here, "remote": there, "from": left, "to": entered}


LIVES = [line(1, "CLOSED", "SYN_SENT"), line(2, "SYN_SENT", "ESTABLISHED")]


@pytest.mark.parametrize("objects, state, cookie, wrong", [
    (LIVES, "ESTABLISHED", "a", 0),
    (LIVES, "CLOSE_WAIT", "a", 2),  # it is missing in the trace, and another one in ss
    (LIVES, "ESTABLISHED", "b", 2),
    (LIVES, None, "", 1),
    (LIVES + [line(3, "ESTABLISHED", "CLOSED")], "ESTABLISHED", "a", 1),
    (LIVES + [line(3, "ESTABLISHED", "CLOSED")], None, "", 0),
    ([], "TIME_WAIT", "a", 1),
])
def test_a_difference_is_seen(objects, state, cookie, wrong):
    """Needs no tracer."""
    rows = {(1, cookie, *ENDS): Row(state, *ENDS, 0, 0, cookie)} if state else {}
    moment = Moment(4 * SECOND, 5 * SECOND, 6 * SECOND, rows, rows)
    assert len(compare(moment, objects, TracedLives(objects, [1]), [1])[2]) == wrong
