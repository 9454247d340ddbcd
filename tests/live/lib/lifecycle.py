"""Compares the output of tcpdwell about a connection with the facts that the test knows.

Problems are collected, not raised, so that one run shows all of them.
"""
import collections
import json
import re

from .clock import MS, SECOND, wheel_granule_ns
from .life import ANY, ANY_PATH, TIMES_OUT_OF_TIME_WAIT, Who

CLOCK_SLACK_NS = 1 * MS  # between two reads of the clock
TOLERANCE_NS = 5 * MS
TIME_WAIT_S = 60
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
ABOUT_A_SOCKET = ("transition", "connection", "flag")


def group_by_connection(objects, netns, since_ns=0):
    """The objects of one namespace, by connection, in the order of the output."""
    groups = collections.OrderedDict()
    for item in objects:
        if item["type"] in ABOUT_A_SOCKET and item["netns"] == netns \
                and item["mono_ns"] >= since_ns:
            ends = endpoints(item) if item["cookie"] is None else None
            groups.setdefault((item["cookie"], item["life"], ends), []).append(item)
    return groups


def endpoints(item):
    return tuple((item[end]["addr"], item[end]["port"]) for end in ("local", "remote"))


def assign(lives, groups):
    """([(life, its objects)], the unexpected objects)."""
    left, pairs = dict(groups), []
    for life in sorted(lives, key=lambda each: each.cookie == ANY):
        key = next((key for key, items in left.items() if _matches(life, key, items)), None)
        pairs.append((life, left.pop(key) if key else []))
    return pairs, left


def _matches(life, key, items):
    cookie, number, _ = key
    ends = endpoints(items[-1]) == (life.local, life.remote)
    if life.cookie is None:
        return cookie is None and ends
    if life.cookie == ANY:
        return ends and number == life.life
    return (cookie, number) == (life.cookie, life.life)


class Check:
    """One connection's objects against its Life. `problems` says what is wrong, in words."""

    def __init__(self, life, objects, start):
        self.life, self.hz = life, start["hz"]
        self.transitions = [item for item in objects if item["type"] == "transition"]
        self.connections = [item for item in objects if item["type"] == "connection"]
        self.problems = []
        if not objects:
            self._wrong("tcpdwell printed nothing about it")
            return
        for item in objects:
            self._fields(item)
        if self._path():
            self._moments()
            self._time_wait()
        if len(self.connections) != 1 or objects[-1] is not self.connections[0]:
            self._wrong(f"wanted one connection object as the last one, got "
                        f"{[item['type'] for item in objects]}")
            return
        self._connection(self.connections[0])

    def _wrong(self, text):
        self.problems.append(text)

    def _same(self, name, got, wanted):
        """`wanted` may be ANY, a value, or a tuple of values that are all right."""
        choices = wanted if type(wanted) is tuple else (wanted,)
        if ANY not in choices and got not in choices:
            self._wrong(f"{name} is {got!r}, but the truth is {' or '.join(map(repr, choices))}")

    def _fields(self, item):
        life = self.life
        self._same("family", item["family"], f"ipv{life.family}")
        self._same("role", item["role"], life.role)
        self._same("life", item["life"], life.life)
        self._same("local", endpoints(item)[0], (life.local,))
        if life.role != "listener":
            self._same("remote", endpoints(item)[1], (life.remote,))
        if not RFC3339.fullmatch(item["time"]):
            self._wrong(f"time {item['time']!r} is not RFC 3339 in UTC with nanoseconds")
        if item["owner"] is not None or item["type"] == "connection":
            self._who("owner", item["owner"], life.owner)
        if not isinstance(item["cgroup"], (str, type(None))):
            self._wrong(f"cgroup {item['cgroup']!r} is neither a path nor null")

    def _who(self, name, got, wanted):
        choices = [wanted] if wanted is None or wanted == ANY or isinstance(wanted, Who) else wanted
        if ANY in choices or (got is None and None in choices):
            return
        for who in filter(None, choices):
            if got and all(value in (ANY, got.get(key)) for key, value in who._asdict().items()):
                return
        self._wrong(f"{name} is {got}, but the truth is {choices}")

    def _path(self):
        """States in order; each transition leaves the state that the one before it entered."""
        wanted = [step.state for step in self.life.steps]
        got = [item["to"] for item in self.transitions]
        left = [item["from"] for item in self.transitions]
        if left != [self.life.first_from] + got[:-1]:
            self._wrong(f"not one chain: left {left}, entered {got}")
        if wanted[-1] == ANY_PATH:
            wanted, got = wanted[:-1], got[:len(wanted) - 1]
        self.transitions_known = len(wanted)
        if got != wanted:
            self._wrong(f"states {' '.join(got)}, but the truth is {' '.join(wanted)}")
        return got == wanted

    def _moments(self):
        """The time of each transition and the length of each dwell, against the test's actions."""
        previous = None
        for step, item in zip(self.life.steps[:self.transitions_known], self.transitions):
            at = self._bracket(step)
            name = f"{item['from']} -> {item['to']}"
            error = self._error(item, name)
            if at and item["mono_ns"] not in at.around(error + CLOCK_SLACK_NS):
                off = item["mono_ns"] - (at.lo if item["mono_ns"] < at.lo else at.hi)
                self._wrong(f"{name} is dated {off / MS:+.3f} ms off what the test did")
            if previous is None or self.life.begin_unknown_of == item["from"]:
                if item["dwell_ns"] is not None and previous is None:
                    self._wrong(f"{name} has a dwell, but nothing was before it")
            elif at and previous[0]:
                self._dwell(name, item, previous[0].until(at), error)
            if previous and item["mono_ns"] < previous[1]:
                self._wrong(f"{name} is dated before the transition before it")
            previous = at, item["mono_ns"]

    def _error(self, item, name):
        error = item["error_ns"]
        if item["dwell_ns"] is None:
            return error or 0
        if self.life.begin_unknown_of == item["from"]:
            if error is not None:
                self._wrong(f"{name}: error_ns {error}, but nobody saw the beginning: want null")
            return 0
        if error is None or not 0 <= error <= TOLERANCE_NS - CLOCK_SLACK_NS:
            self._wrong(f"{name}: error_ns is {error}; nothing here excuses more than a jiffy")
            return 0
        return error

    def _dwell(self, name, item, truth, error):
        dwell = item["dwell_ns"]
        if dwell is None or dwell not in truth.around(error + CLOCK_SLACK_NS):
            shown = "null" if dwell is None else f"{dwell / MS:.3f} ms"
            self._wrong(f"{name}: {item['from']} lasted {shown} (error_ns {error}), "
                        f"but what the test did leaves only {truth}")

    def _bracket(self, step):
        if step.at != TIMES_OUT_OF_TIME_WAIT:
            return step.at
        return self._wheel_end()

    def _wheel_end(self):
        granule, arm = wheel_granule_ns(TIME_WAIT_S, self.hz), self.life.last_arm
        least = TIME_WAIT_S * SECOND - SECOND // self.hz
        return arm.later(least, TIME_WAIT_S * SECOND + granule + 50 * MS)

    def _time_wait(self):
        """Measured: more than 60 s since the last arm, and never more than the wheel's granule."""
        if self.life.time_wait_ended != "expired":
            return
        begin, end = [item for item in self.transitions
                      if "TIME_WAIT" in (item["from"], item["to"])]
        rearmed_later = self.life.last_arm.hi - begin["mono_ns"]
        error = end["error_ns"] or 0
        if end["mono_ns"] not in self._wheel_end().around(error):
            self._wrong(f"TIME_WAIT ended {(end['mono_ns'] - begin['mono_ns']) / MS:.3f} ms after "
                        f"its begin, {rearmed_later / MS:.3f} ms of which before the last arm")
        if end["dwell_ns"] + error <= TIME_WAIT_S * SECOND:
            self._wrong(f"TIME_WAIT of {end['dwell_ns']} ns: no kernel ends it before 60 s")

    def _connection(self, item):
        life = self.life
        sums, errors = collections.Counter(), {}
        for step in self.transitions:
            if step["dwell_ns"] is not None:
                sums[step["from"]] += step["dwell_ns"]
                if step["error_ns"] != 0:
                    errors[step["from"]] = step["error_ns"]
        self._same("dwell of the connection (sums of its transitions)", item["dwell"],
                   dict(sums))
        if set(item["error_ns"]) != set(errors) & set(item["dwell"]):
            self._wrong(f"error_ns {item['error_ns']} does not fit its transitions' {errors}")
        self._who("closer", item["closer"], life.closer)
        for name in ("opened_by", "closed_by", "ended", "time_wait_ended", "bytes_sent",
                     "bytes_received", "retransmits"):
            self._same(name, item[name], getattr(life, name))
        end = self._bracket(life.steps[-1])
        if end and item["mono_ns"] not in end.around(TOLERANCE_NS):
            self._wrong("the connection object is not dated at the connection's end")
        if not isinstance(item["srtt_us"], (int, type(None))):
            self._wrong(f"srtt_us {item['srtt_us']!r}")


def explain(life, objects, problems):
    """The text of a failed test: the problems, the expectation, the output."""
    lines = [str(life)]
    lines += [f"  wrong: {problem}" for problem in problems]
    lines += ["  tcpdwell printed:"]
    lines += ["    " + json.dumps(item, separators=(",", ":"), ensure_ascii=False)
              for item in objects] or ["    nothing"]
    return "\n".join(lines)
