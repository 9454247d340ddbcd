"""The tracer starts in the middle of churn; when that stops, its table is the kernel's own list.

TCPDWELL_RACES=200 is what a release is tested with.
"""
import collections
import os
import random
import time

import pytest

from lib import ss
from lib.clock import pause
from lib.lifecycle import endpoints
from lib.tracer import Tracer
from older.churn import Churn
from whole.verdict import kernel_list

RACES = int(os.environ.get("TCPDWELL_RACES", "10"))
EVERY_STATE = [option for state in ss.STATES.values() for option in ("--flag", f"{state}=1ms")]
PATIENCE_S = 15


def table(objects, netns):
    """What the tracer thinks is there: flagged, and not cleared."""
    there = collections.Counter()
    for item in objects:
        if item["type"] == "flag" and item["netns"] == netns:
            key = (item["state"], *endpoints(item))
            there[key] += 1 if item["event"] == "raised" else -1
    return +there


def differences(truth, told):
    missing, excess = truth - told, told - truth
    return [f"missing {count} x {key}" for key, count in missing.items()] + \
           [f"excess {count} x {key}" for key, count in excess.items()]


def one_race():
    """What differs, in words."""
    with Churn() as churn:
        pause(random.uniform(0.1, 0.4))
        with Tracer("--netns", churn.netns.inum, "--only", "flag", *EVERY_STATE) as tracer:
            pause(random.uniform(0, 0.2))
            assert churn.stop() > 20, "that was no churn"
            truth = kernel_list(churn.netns)
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline and \
                    table(tracer.objects(), churn.netns.inum) != truth:
                tracer.must_run()
                time.sleep(0.1)
            objects = tracer.stop()
            again = kernel_list(churn.netns)
    assert truth == again, "a socket moved meanwhile: the machine is too slow for this"
    lost = [item for item in objects if item["type"] == "lost"]
    wrong = differences(truth, table(objects, churn.netns.inum))
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
    wrong, states = one_race()
    _states.update(states)
    assert not wrong, "\n" + "\n".join(wrong)


def test_the_churn_was_worth_it():
    """All that holds still on its own was there to be found."""
    if not _states:
        pytest.skip("no race was run")
    assert {"LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_2", "CLOSE_WAIT",
            "TIME_WAIT"} <= _states
