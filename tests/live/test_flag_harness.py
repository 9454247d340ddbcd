"""The checks of flags and snapshots: right output passes, wrong output does not. Needs no tracer."""
import copy

import pytest

from lib.clock import MS, SECOND, Bracket
from lib.life import Life, Who
from lib.ss import Row, endpoint
from older.expectations import LifeExpectations
from stuck.fixture import Holder, Stuck
from stuck.expectations import FlagExpectations

START = {"hz": 250, "thresholds_ns": {"CLOSE_WAIT": SECOND}}
OWNER = Who(7, "accept", "server")
ENDS = ("10.0.0.1", 80), ("10.0.0.2", 4000)
COMMON = {"time": "2026-01-01T00:00:00.000000000Z", "cookie": "ab", "life": 0, "netns": 1,
          "family": "ipv4", "local": {"addr": "10.0.0.1", "port": 80},
          "remote": {"addr": "10.0.0.2", "port": 4000}, "role": "server", "cgroup": None,
          "owner": {"pid": 7, "comm": "server", "uid": 0, "via": "accept"}}
BEGAN = 100 * SECOND


def promised(**facts):
    return Stuck(**{"state": "CLOSE_WAIT", "cause": "data_unread", "family": 4, "netns": 1,
                    "local": ENDS[0], "remote": ENDS[1], "cookie": "ab", "unread": 5,
                    "entered": Bracket(BEGAN - MS, BEGAN + MS), "owner": OWNER, "role": "server",
                    "holders": (Holder(7, 4, "server"), Holder(8, 4, "worker")), **facts})


def printed():
    flag = {**COMMON, "type": "flag", "flag": "CLOSE_WAIT", "state": "CLOSE_WAIT", "threshold_ns": SECOND,
            "error_ns": 0, "at_most_ns": None, "cause": "data_unread"}
    holders = [{"pid": 8, "fd": 4, "comm": "worker"}, {"pid": 7, "fd": 4, "comm": "server"}]
    end = BEGAN + 3 * SECOND
    return [{**COMMON, "type": "transition", "from": "ESTABLISHED", "to": "CLOSE_WAIT",
             "mono_ns": BEGAN, "dwell_ns": 5, "error_ns": 0},
            {**flag, "event": "raised", "mono_ns": BEGAN + SECOND + 20 * MS, "holders": holders,
             "dwell_ns": SECOND + 20 * MS, "unread_bytes": 5, "unsent_bytes": 0},
            {**COMMON, "type": "transition", "from": "CLOSE_WAIT", "to": "LAST_ACK",
             "mono_ns": end, "dwell_ns": 3 * SECOND, "error_ns": 0},
            {**flag, "event": "cleared", "mono_ns": end, "dwell_ns": 3 * SECOND, "holders": [],
             "unread_bytes": None, "unsent_bytes": None}]


ROW = Row("CLOSE_WAIT", *ENDS, 6, 0, "ab")


def problems(lines, older=False, **facts):
    return FlagExpectations(promised(**facts), lines, ROW, START, older).problems


def test_the_truth_passes():
    assert problems(printed()) == []


def to_latecomer(lines):
    for line in lines:
        line.update(owner={"pid": 7, "comm": "server", "uid": 0, "via": "fd"}, role="unknown")
        line["error_ns"] = None
    return lines[1:]


def test_the_truth_of_a_latecomer_passes():
    one = (Holder(7, 4, "server"),)
    lines = to_latecomer(printed())
    lines[0]["holders"].pop(0)
    assert problems(lines, older=True, holders=one) == []


LIES = {
    "not_raised": lambda lines: lines.pop(1),
    "not_cleared": lambda lines: lines.pop(),
    "raised_twice": lambda lines: lines.insert(1, copy.deepcopy(lines[1])),
    "too_early": lambda lines: lines[1].update(dwell_ns=SECOND - 1),
    "began_elsewhen": lambda lines: lines[1].update(mono_ns=lines[1]["mono_ns"] + 10 * MS),
    "late": lambda lines: lines[1].update(mono_ns=BEGAN + 4 * SECOND, dwell_ns=4 * SECOND),
    "inexact": lambda lines: lines[1].update(error_ns=4 * MS),
    "other_cause": lambda lines: lines[1].update(cause="eof_unread"),
    "cause_changes": lambda lines: lines[3].update(cause="eof_read"),
    "holder_missing": lambda lines: lines[1]["holders"].pop(),
    "holder_too_many": lambda lines: lines[1]["holders"].append({"pid": 9, "fd": 1, "comm": "x"}),
    "holder_twice": lambda lines: lines[1]["holders"].append(lines[1]["holders"][0]),
    "fin_counted": lambda lines: lines[1].update(unread_bytes=6),
    "unsent": lambda lines: lines[1].update(unsent_bytes=1),
    "no_owner": lambda lines: lines[1].update(owner=None),
    "cleared_with_another_dwell": lambda lines: lines[3].update(dwell_ns=3 * SECOND + 1),
    "other_threshold": lambda lines: lines[1].update(threshold_ns=60 * SECOND),
}


@pytest.mark.parametrize("name", LIES)
def test_wrong_output_is_found(name):
    lines = printed()
    LIES[name](lines)
    assert problems(lines) != []


def older_life():
    life = Life("server", 4, *ENDS, cookie="ab", owner=OWNER)
    for state, at in (("ESTABLISHED", 0), ("CLOSE_WAIT", 1), ("LAST_ACK", 4), ("CLOSED", 5)):
        life.enter(state, Bracket(BEGAN + at * SECOND, BEGAN + at * SECOND + MS))
    life.ends("fin", "remote")
    return life


def older_printed():
    last_ack, closed = BEGAN + 4 * SECOND, BEGAN + 5 * SECOND
    return [{**COMMON, "type": "transition", "from": "CLOSE_WAIT", "to": "LAST_ACK",
             "mono_ns": last_ack, "dwell_ns": 3 * SECOND, "error_ns": None},
            {**COMMON, "type": "transition", "from": "LAST_ACK", "to": "CLOSED",
             "mono_ns": closed, "dwell_ns": SECOND, "error_ns": 0},
            {**COMMON, "type": "connection", "mono_ns": closed, "ended": "fin",
             "time_wait_ended": None, "dwell": {"CLOSE_WAIT": 3 * SECOND, "LAST_ACK": SECOND},
             "error_ns": {"CLOSE_WAIT": None}}]


def older_problems(lines):
    return LifeExpectations(older_life(), 2, lines, START, BEGAN + 2 * SECOND).problems


def test_the_truth_about_an_older_one_passes():
    assert older_problems(older_printed()) == []


OLDER_LIES = {
    "lost": lambda lines: lines.pop(0),
    "doubled": lambda lines: lines.append(copy.deepcopy(lines[-1])),
    "older_than_it_is": lambda lines: lines[0].update(dwell_ns=3 * SECOND + 20 * MS),
    "younger_than_known": lambda lines: lines[0].update(dwell_ns=2 * SECOND),
    "no_dwell": lambda lines: lines[0].update(dwell_ns=None),
    "wrong_state": lambda lines: lines[0].update({"from": "ESTABLISHED"}),
    "sum": lambda lines: lines[2]["dwell"].update(LAST_ACK=1),
    "error_not_told": lambda lines: lines[2].update(error_ns={}),
    "later_inexact": lambda lines: lines[1].update(error_ns=None),
    "guessed_owner": lambda lines: lines[0].update(owner=dict(COMMON["owner"], pid=8)),
}


@pytest.mark.parametrize("name", OLDER_LIES)
def test_wrong_output_about_an_older_socket_is_found(name):
    lines = older_printed()
    OLDER_LIES[name](lines)
    assert older_problems(lines) != []


@pytest.mark.parametrize("text, wanted", {
    "127.0.0.1:80": ("127.0.0.1", 80), "[::1]:80": ("::1", 80), "0.0.0.0:*": ("0.0.0.0", 0),
    "*:80": ("::", 80), "[::ffff:10.0.0.1]:80": ("10.0.0.1", 80), "[::]:*": ("::", 0),
    "127.0.0.53%lo:53": ("127.0.0.53", 53)}.items())
def test_what_ss_prints(text, wanted):
    assert endpoint(text) == wanted
