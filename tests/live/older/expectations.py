"""What a tracer printed about a connection that is older than itself, against what the scenario did."""
from lib.clock import MS, SECOND
from lib.expectations import Expectations
from lib.kernel import stamps_minisocks
from lib.life import ANY
from lib.lifecycle import endpoints

SLACK_NS = 2 * MS
STAMPED_NS = 25 * MS  # a begin is called known if its two bounds are no further apart
# What the kernel knows of the beginning: to the jiffy; or that no segment came since; or nothing.
# Where minisocks are not stamped, TIME_WAIT may have begun before its timer was armed last.
EXACT = {"TIME_WAIT", "SYN_RECEIVED"} if stamps_minisocks() else {"SYN_RECEIVED"}
SINCE_LAST_SEGMENT = {"CLOSE_WAIT", "FIN_WAIT_2"} | ({"TIME_WAIT"} - EXACT)


class LifeExpectations(Expectations):
    """`known` is how many of the life's steps were made before the tracer started."""

    def __init__(self, life, known, objects, start, ready_ns):
        super().__init__(objects)
        self.life, self.ready_ns = life, ready_ns
        self.jiffy = SECOND // start["hz"]
        self.steps = life.steps[known - 1:]
        self.state = self.steps[0].state
        transitions = [item for item in objects if item["type"] == "transition"]
        if transitions and transitions[0]["to"] == self.state == "SYN_RECEIVED":
            self._dated_back(transitions.pop(0))
        self._same("states left", [item["from"] for item in transitions],
                   [step.state for step in self.steps[:-1]])
        self._same("states entered", [item["to"] for item in transitions],
                   [step.state for step in self.steps[1:]])
        self._same("connection objects", [item["type"] for item in objects].count("connection"), 1)
        if self.problems:
            return
        self._first(transitions[0])
        self._later(transitions)
        self._connection(objects[-1], transitions)
        for item in objects:
            self._identity(item)

    def _dated_back(self, item):
        """The beginning of a half-open connection may be printed, if it is right."""
        self._true(item["from"] == "LISTEN" and item["dwell_ns"] is None
                   and item["mono_ns"] in self.steps[0].at.around(2 * self.jiffy + SLACK_NS),
                   f"LISTEN -> SYN_RECEIVED is wrong: {item}")

    def _first(self, item):
        """The dwell in the state in which the snapshot found it."""
        dwell, error = item["dwell_ns"], item["error_ns"]
        truth = self.steps[0].at.until(self.steps[1].at)
        at_least = self.steps[1].at.lo - self.ready_ns
        shown = f"{self.state} lasted {(dwell or 0) / MS:.3f} ms (error_ns {error}), the truth " \
                f"is {truth}"
        slack = SLACK_NS + 2 * self.jiffy
        if dwell is None:
            self.problems.append(f"{self.state} has no dwell")
        elif error is not None:
            self._true(error <= max(2 * self.jiffy, STAMPED_NS), shown)
            self._true(dwell in truth.around(error + slack), shown)
        else:
            unknown = self.state not in EXACT or self.life.begin_unknown_of == self.state
            self._true(unknown, f"{shown}, and the kernel knows it to the jiffy")
            self._true(dwell <= truth.hi + slack, f"{shown}: no lower bound")
            self._true(dwell >= at_least - SLACK_NS, f"{shown}: the snapshot itself is longer ago")
            silent = self.life.begin_unknown_of == self.state
            self._true(silent or self.state not in SINCE_LAST_SEGMENT or dwell >= truth.lo - slack,
                       f"{shown}: the kernel knows when the last segment came")

    def _later(self, transitions):
        """After that it is traced like any other connection."""
        for step, item in zip(self.steps[1:], transitions):
            name = f"{item['from']} -> {item['to']}"
            error = item["error_ns"] or 0
            self._true(item["mono_ns"] in step.at.around(error + SLACK_NS),
                       f"{name} is not dated when it was made")
        for before, item in zip(transitions, transitions[1:]):
            name = f"{item['from']} -> {item['to']}"
            self._same(f"dwell of {name}", item["dwell_ns"], item["mono_ns"] - before["mono_ns"])
            self._true(item["error_ns"] is not None and item["error_ns"] <= self.jiffy,
                       f"{name}: error_ns {item['error_ns']}, but both ends were seen")

    def _connection(self, item, transitions):
        self._true(item["type"] == "connection", "the connection object is not the last one")
        dwell, error = {}, {}
        for each in transitions:
            dwell[each["from"]] = dwell.get(each["from"], 0) + (each["dwell_ns"] or 0)
            if each["error_ns"] != 0:
                error[each["from"]] = each["error_ns"]
        self._same("dwell", item["dwell"], dwell)
        self._same("error_ns", item["error_ns"], error)
        for name in ("ended", "time_wait_ended"):
            wanted = getattr(self.life, name)
            if wanted not in (ANY, None):
                self._same(name, item[name], wanted)

    def _identity(self, item):
        life = self.life
        self._same("family", item["family"], f"ipv{life.family}")
        self._same("local", endpoints(item)[0], life.local)
        self._true(life.role == "listener" or endpoints(item)[1] == life.remote,
                   f"remote is {item['remote']}")
        self._true(item["role"] in (life.role, "unknown"), f"role is {item['role']}")
        if life.cookie not in (ANY, None):
            self._same("cookie", item["cookie"], life.cookie)
        owner = item["owner"]
        self._true(owner is None or (life.owner and owner["pid"] == life.owner.pid),
                   f"owner is {owner}, but the truth is {life.owner}")

    def explain(self):
        return self._explain(str(self.life))
