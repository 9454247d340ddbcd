"""What a tracer printed about one stuck socket, against what the scenario expects."""
from lib.clock import MS, SECOND
from lib.expectations import Expectations
from lib.kernel import stamps_minisocks
from lib.lifecycle import RFC3339, endpoints

SLACK_NS = 2 * MS
LATE_NS = 100 * MS  # as documented
MACHINE_NS = 1 * SECOND  # what a noisy machine may add


class FlagExpectations(Expectations):
    def __init__(self, stuck, objects, row, start, older):
        super().__init__([item for item in objects if "cookie" in item
                          and (item["netns"], item["cookie"]) == (stuck.netns, stuck.cookie)])
        self.stuck, self.row, self.older = stuck, row, older
        self.jiffy = SECOND // start["hz"]
        self.threshold = start["thresholds_ns"].get(stuck.flag)
        flags = [item for item in self.objects if item["type"] == "flag"
                 and item["flag"] == stuck.flag]
        self.delay = None
        self._same("events", [item["event"] for item in flags], ["raised", "cleared"])
        if self.problems:
            return
        self.raised, self.cleared = flags
        for item in flags:
            self._identity(item)
        self._age()
        self._reason()
        self._cleared()

    def _identity(self, item):
        stuck = self.stuck
        self._same("family", item["family"], f"ipv{stuck.family}")
        self._same("local and remote", endpoints(item), (stuck.local, stuck.remote))
        self._same("life", item["life"], 0)
        self._same("state", item["state"], stuck.state)
        self._same("threshold_ns", item["threshold_ns"], self.threshold)
        self._same("cause", item["cause"], stuck.cause)
        self._true(RFC3339.fullmatch(item["time"]), f"time {item['time']!r}")
        self._true(item["role"] in ((stuck.role, "unknown") if self.older else (stuck.role,)),
                   f"role is {item['role']!r}, but the truth is {stuck.role!r}")
        if item is self.raised or self.raised["owner"]:  # it may become known later
            owner = item["owner"] and tuple(item["owner"][name] for name in ("pid", "via", "comm"))
            self._same(f"owner when {item['event']}", owner, self._owner())

    def _owner(self):
        """Who made it; for a late tracer the only process that holds it, never a guess."""
        stuck = self.stuck
        if not self.older:
            return stuck.owner and (stuck.owner.pid, stuck.owner.via, stuck.owner.comm)
        processes = {(each.pid, "fd", each.comm) for each in stuck.holders}
        return processes.pop() if len(processes) == 1 and stuck.cause != "not_accepted" else None

    def _is_due(self):
        """The lower bound passes the threshold, or the upper one does and they are close."""
        lower, upper = self.raised["dwell_ns"], self.raised["at_most_ns"]
        close = upper is not None and upper - lower <= 10**9
        return lower >= self.threshold or (close and upper >= self.threshold)

    def _age(self):
        item, entered = self.raised, self.stuck.entered
        began, error = item["mono_ns"] - item["dwell_ns"], item["error_ns"]
        shown = f"[{(began - entered.lo) / MS:.3f} ms after the earliest, " \
                f"{(began - entered.hi) / MS:.3f} ms after the latest moment]"
        self._true(self._is_due(), f"raised after only {item['dwell_ns']} ns, "
                                   f"at most {item['at_most_ns']}")
        if self.stuck.accept:  # the kernel keeps it, in microseconds
            self._same("error_ns", error, 1000)
            self._true(began in entered.around(SLACK_NS), f"its begin is off: {shown}")
            return
        if not self.older:
            self._same("error_ns of what was seen from the beginning", error, 0)
            self._true(began in entered.around(SLACK_NS), f"its begin is off: {shown}")
            self.delay = item["dwell_ns"] - self.threshold
            self._true(self.delay <= LATE_NS + MACHINE_NS, f"raised {self.delay / MS} ms late")
            return
        slack = SLACK_NS + 2 * self.jiffy
        self._true(began >= entered.lo - slack - (error or 0), f"older than it is: {shown}")
        known = self.stuck.quiet and (self.stuck.cause != "orphaned" or stamps_minisocks())
        if known or error is not None:
            # The kernel counts in jiffies, and a descheduled virtual CPU counts them late. A bound
            # that is printed must hold all the same.
            late = LATE_NS if error is None else error
            self._true(began <= entered.hi + slack + late,
                       f"younger than the kernel knows (error_ns {error}): {shown}")

    def _reason(self):
        item, stuck = self.raised, self.stuck
        holders = sorted((each["pid"], each["fd"], each["comm"]) for each in item["holders"])
        if stuck.holders is not None:
            self._same("holders", holders, sorted(map(tuple, stuck.holders)))
        if self.row is None:
            self.problems.append("ss does not list it (a fault of the test)")
            return
        self._same("its state according to ss", self.row.state, stuck.state)
        if stuck.cause == "orphaned":  # a minisock has no queues
            self._true(not item["unread_bytes"] and not item["unsent_bytes"], "bytes of an orphan")
            return
        fin = stuck.state == "CLOSE_WAIT" and self.row.unread > 0
        self._same("unread_bytes", item["unread_bytes"], self.row.unread - fin)
        self._same("unsent_bytes", item["unsent_bytes"], self.row.unsent)
        if stuck.unread is not None:
            self._same("unread_bytes", item["unread_bytes"], stuck.unread)
        if stuck.cause == "sending":
            self._true(item["unsent_bytes"] > 0, "the cause is sending, but nothing is unsent")

    def _cleared(self):
        """The whole dwell, as in the transition."""
        item = self.cleared
        self._true(item["dwell_ns"] >= self.raised["dwell_ns"], "dwell_ns is shorter in cleared than in raised")
        if self.stuck.accept:  # no transition clears it
            return
        left = [each for each in self.objects if each["type"] == "transition"
                and each["from"] == self.stuck.state]
        if len(left) != 1:
            self.problems.append(f"left {self.stuck.state} {len(left)} times")
            return
        for name in ("mono_ns", "dwell_ns", "error_ns"):
            self._same(f"{name} when cleared (and when it left)", item[name], left[0][name])

    def explain(self):
        return self._explain(f"{self.stuck} holders {self.stuck.holders}", f"  ss: {self.row}")
