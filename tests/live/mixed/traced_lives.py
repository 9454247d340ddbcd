"""The connections of a trace: which of them was in which state at which moment."""
import bisect
import collections
from dataclasses import dataclass, field

from lib.clock import MS
from lib.lifecycle import endpoints

NAMELESS = (None, "0")


@dataclass
class TracedLife:
    """One life of one socket."""
    netns: int
    local: tuple
    remote: tuple
    role: str
    cookie: object
    life: int
    times: list = field(default_factory=list)  # of the transitions
    states: list = field(default_factory=list)  # entered by each
    left: list = field(default_factory=list)  # left by each
    errors: list = field(default_factory=list)  # of each dwell that ended, in ns
    whys: list = field(default_factory=list)
    found: tuple = None  # (time, state): a walk found it; printed with its next transition
    end: dict = None  # its connection object

    def state_at(self, at):
        index = bisect.bisect_right(self.times, at)
        if index:
            return self.states[index - 1]
        return self.found[1] if self.found and self.found[0] <= at else "CLOSED"

    def states_at(self, at):
        """The states that it may have been in, within the `error_ns` that the trace printed."""
        near = [states for time, error, *states in zip(self.times, self.errors, self.left, self.states)
                if abs(time - at) <= error]
        return {self.state_at(at)}.union(*near)

    def stays(self, begin, end):
        """The state that it is in during the whole time, or None."""
        first, last = (bisect.bisect_right(self.times, at) for at in (begin, end))
        if first != last or not first or len(self.states_at(begin) | self.states_at(end)) > 1:
            return None
        return self.states[first - 1]

    @property
    def steps(self):
        return list(zip(self.left, self.states, self.times))

    @property
    def last(self):
        """(from, to) of its last transition."""
        return self.left[-1], self.states[-1]

    def __str__(self):
        path = " ".join(self.states)
        return f"{self.role} {self.local} {self.remote} cookie {self.cookie} in {self.netns}: {path}"

    def story(self, at):
        """With the times of its transitions, relative to a moment."""
        steps = [f"{(time - at) / MS:+.1f} ms {left} {entered} ({why})" for left, entered, time, why
                 in zip(self.left, self.states, self.times, self.whys)]
        ended = self.end and f"{self.end['ended']}, {self.end['time_wait_ended']}"
        return f"{self.role} cookie {self.cookie} life {self.life}: {', '.join(steps)}; ended {ended}"


class TracedLives:
    """All lives in some namespaces, as far as these objects show them."""

    def __init__(self, objects, inums):
        self.lives, self._of, self._requests = [], {}, {}
        self.half_open_at_end = set()  # (netns, local, remote) of those not printed yet
        inums = set(inums)
        for item in objects:
            if item.get("netns") in inums and item["type"] in ("transition", "connection"):
                self._add(item)
        self.by_ends = collections.defaultdict(list)
        for life in self.lives:
            self.by_ends[(life.netns, life.local, life.remote)].append(life)

    def _add(self, item):
        life = self._life(item)
        life.local, life.remote = endpoints(item)
        life.role = item["role"]
        if item["type"] == "connection":
            life.end = item
            return
        if not life.times and item["from"] not in ("CLOSED", "LISTEN"):
            life.found = item["mono_ns"] - item["dwell_ns"], item["from"]
        life.times.append(item["mono_ns"])
        life.errors.append(item.get("error_ns") or 0)
        life.left.append(item["from"])
        life.states.append(item["to"])
        life.whys.append(item.get("why"))

    def _life(self, item):
        """A request has no cookie. The socket that it becomes has one, and is the same connection."""
        key = (item["netns"], *endpoints(item))
        if item["cookie"] in NAMELESS:
            life = self._requests.get(key)
            if life is None or (life.end and item["type"] == "transition"):
                life = self._requests[key] = self._new(item)
            return life
        name = (item["netns"], item["cookie"], item["life"])
        if name not in self._of:
            life = self._requests.pop(key, None)
            if life is None or life.end or item.get("from") == "CLOSED":
                life = self._new(item)
            life.cookie = item["cookie"]
            self._of[name] = life
        return self._of[name]

    def _new(self, item):
        life = TracedLife(item["netns"], *endpoints(item), item["role"], None,
                      item["life"])
        self.lives.append(life)
        return life

    def at(self, netns, cookie, local, remote, moment):
        """The lives that match, and may not be over at that moment."""
        return [life for life in self.by_ends.get((netns, local, remote), ())
                if life.states_at(moment) != {"CLOSED"} and
                (not cookie or life.cookie in (*NAMELESS, cookie))]
