"""The tracer starts in the middle of churn; when that stops, its table is the kernel's own list.

Releases are tested with TCPDWELL_RACES=200.
"""
import collections
import os
import random

import pytest

from lib import ss
from lib.clock import pause
from lib.lifecycle import endpoints
from lib.patience import wait_for
from lib.tracer import Tracer
from older.churn import Churn
from whole.expectations import differences, flagged, kernel_list, wait_until_whole

pytestmark = pytest.mark.hidden_events

RACES = int(os.environ.get("TCPDWELL_RACES", "10"))
EVERY_STATE = [option for state in ss.STATES.values() for option in ("--flag", f"{state}=1ms")]


def one_race():
    """The differences, in words, and the states of the sockets. None: a socket moved while the tracer
    ended, so there is nothing to compare its last word with."""
    with Churn() as churn:
        pause(random.uniform(0.1, 0.4))
        with Tracer("--netns", churn.netns.inum, "--only", "flag", *EVERY_STATE) as tracer:
            pause(random.uniform(0, 0.2))
            assert churn.stop() > 20, "that was no churn"
            truth = wait_until_whole(tracer, churn.netns)
            objects = tracer.stop()
            if kernel_list(churn.netns) != truth:
                return None
    lost = [item for item in objects if item["type"] == "lost"]
    wrong = differences(truth, flagged(objects, churn.netns.inum))
    if objects[-1]["open"] != truth.total():
        wrong.append(f"end.open is {objects[-1]['open']}, but the kernel has {truth.total()}")
    negative = [key for key, count in table_of_ends(objects).items() if count < 0]
    wrong += [f"cleared without being raised: {key}" for key in negative]
    states = {state for state, _, _ in truth}
    return wrong[:20] + [f"(of {len(wrong)}; lost: {lost})"] if wrong else [], states


def table_of_ends(objects):
    ends = collections.Counter()
    for item in objects:
        if item["type"] == "flag":
            key = (item["netns"], item["cookie"], item["life"], item["state"], *endpoints(item))
            ends[key] += 1 if item["event"] == "raised" else -1
    return ends


_states = set()


@pytest.mark.parametrize("race", range(RACES))
def test_race(race):
    wrong, states = wait_for(one_race, "a race after which all holds still", every_s=0)
    _states.update(states)
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_churn_was_worth_it():
    """All that holds still on its own was there to be found."""
    if not _states:
        pytest.skip("no race was run")
    assert {"LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_2", "CLOSE_WAIT",
            "TIME_WAIT"} <= _states
