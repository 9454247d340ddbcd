"""The checker itself: wrong output about a connection must not pass. Needs no tracer and no sockets."""
import copy

import pytest

from lib.clock import MS, SECOND, Bracket, wheel_granule_ns
from lib.life import TIMES_OUT_OF_TIME_WAIT, Life, Who
from lib.lifecycle import Check

PATH = ["CLOSED", "SYN_SENT", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "CLOSED"]
MOMENTS = [100, 101, 200, 201, 500, 500 + 61_300]  # ms
START = {"hz": 250}


def promised():
    owner = Who(7, "connect", "test")
    life = Life("client", 4, ("10.0.0.1", 4000), ("10.0.0.2", 80), 1, "ab", opened_by="local",
                owner=owner, closer=owner._replace(via="close"))
    for state, at in zip(PATH[1:-1], MOMENTS):
        life.enter(state, Bracket(at * MS, at * MS + MS))
    life.enter("CLOSED", TIMES_OUT_OF_TIME_WAIT)
    life.ends("fin", "local", "expired")
    return life


def printed():
    who = {"pid": 7, "comm": "test", "uid": 0, "via": "connect"}
    common = {"time": "2026-01-01T00:00:00.000000000Z", "cookie": "ab", "life": 0, "netns": 1,
              "family": "ipv4", "local": {"addr": "10.0.0.1", "port": 4000},
              "remote": {"addr": "10.0.0.2", "port": 80}, "role": "client", "owner": who,
              "cgroup": None}
    dwells = [None] + [(b - a) * MS for a, b in zip(MOMENTS, MOMENTS[1:])]
    lines = [{"type": "transition", "mono_ns": at * MS, "from": left, "to": entered,
              "dwell_ns": dwell, "error_ns": 0, **common}
             for at, left, entered, dwell in zip(MOMENTS, PATH, PATH[1:], dwells)]
    lines.append({"type": "connection", "mono_ns": MOMENTS[-1] * MS,
                  "dwell": dict(zip(PATH[1:-1], dwells[1:])), "error_ns": {},
                  "closer": dict(who, via="close"), "opened_by": "local", "closed_by": "local",
                  "ended": "fin", "time_wait_ended": "expired", "bytes_sent": 0,
                  "bytes_received": 0, "retransmits": 0, "srtt_us": 100, **common})
    return lines


def problems(lines):
    return Check(promised(), lines, START).problems


def test_the_truth_passes():
    assert problems(printed()) == []


LIES = {
    "state_missing": lambda lines: lines.pop(3),
    "no_connection": lambda lines: lines.pop(),
    "two_connections": lambda lines: lines.append(copy.deepcopy(lines[-1])),
    "dwell_10_ms_off": lambda lines: lines[4].update(dwell_ns=lines[4]["dwell_ns"] + 10 * MS),
    "dated_10_ms_late": lambda lines: lines[2].update(mono_ns=lines[2]["mono_ns"] + 10 * MS),
    "big_error_as_excuse": lambda lines: lines[4].update(error_ns=SECOND),
    "no_dwell": lambda lines: lines[3].update(dwell_ns=None),
    "time_wait_computed": lambda lines: lines[5].update(dwell_ns=60 * SECOND),
    "sum_is_wrong": lambda lines: lines[-1]["dwell"].update(ESTABLISHED=1),
    "port_0": lambda lines: lines[0].update(local={"addr": "10.0.0.1", "port": 0}),
    "other_owner": lambda lines: lines[-1].update(owner=dict(lines[-1]["owner"], pid=8)),
    "owner_changes": lambda lines: lines[2].update(owner=dict(lines[2]["owner"], pid=8)),
    "no_owner_at_the_end": lambda lines: lines[-1].update(owner=None),
    "closed_by": lambda lines: lines[-1].update(closed_by="remote"),
    "ended": lambda lines: lines[-1].update(ended="timeout"),
    "time_wait_ended": lambda lines: lines[-1].update(time_wait_ended="reset"),
    "bytes": lambda lines: lines[-1].update(bytes_sent=1),
    "family": lambda lines: lines[1].update(family="ipv6"),
}


@pytest.mark.parametrize("name", LIES)
def test_wrong_output_is_found(name):
    lines = printed()
    LIES[name](lines)
    assert problems(lines)


@pytest.mark.parametrize("hz, seconds", [(250, 2.048), (1000, 4.096), (100, 5.12)])
def test_granule_of_the_timer_wheel(hz, seconds):
    assert wheel_granule_ns(60, hz) == int(seconds * SECOND)
