"""The states that a trace has printed, when each could be read, and which were wrong for too long.

A connection never returns to an earlier state. So if the printed state is earlier than the true state of
a second ago, it has been wrong for more than a second.
"""
import bisect
import collections
from typing import NamedTuple

from lib.clock import MS, SECOND
from lib.lifecycle import endpoints

NAMELESS = (None, "0")
FLUSH_NS = 200 * MS  # a line is written within 100 ms, and the file is read every 50
PATIENCE_NS = 1 * SECOND + FLUSH_NS
ORDER = {"SYN_SENT": 0, "SYN_RECEIVED": 0, "ESTABLISHED": 1, "FIN_WAIT_1": 2, "CLOSE_WAIT": 2,
         "FIN_WAIT_2": 3, "CLOSING": 3, "LAST_ACK": 3, "TIME_WAIT": 4, "CLOSED": 5}
AS_FTRACE = {"TCP_ESTABLISHED": "ESTABLISHED", "TCP_FIN_WAIT1": "FIN_WAIT_1",
             "TCP_FIN_WAIT2": "FIN_WAIT_2", "TCP_CLOSE_WAIT": "CLOSE_WAIT",
             "TCP_LAST_ACK": "LAST_ACK", "TCP_CLOSING": "CLOSING", "TCP_CLOSE": "CLOSED",
             "TCP_SYN_RECV": "SYN_RECEIVED", "TCP_SYN_SENT": "SYN_SENT"}


class Wrong(NamedTuple):
    netns: int
    local: tuple
    remote: tuple
    text: str


class Life:
    """One cookie's life; four numbers are used again only when it is over."""

    def __init__(self):
        self.heard, self.states, self.times = [], [], []  # of the transitions, in the order of the lines

    def add(self, item, heard):
        self.heard.append(heard)
        self.states.append(item["to"])
        self.times.append(item["mono_ns"])

    def told_by(self, when):
        index = bisect.bisect_right(self.heard, when)
        return max(self.states[:index], key=ORDER.get, default=None)

    def known_from(self, state):
        """When it could be read that it is in this state, or in a later one."""
        return next((heard for heard, each in zip(self.heard, self.states)
                     if ORDER[each] >= ORDER[state]), None)

    def __str__(self):
        return " ".join(f"{state}@{at / 1e9:.3f}(read {heard / 1e9:.3f})"
                        for state, at, heard in zip(self.states, self.times, self.heard))


class Told:
    def __init__(self, inums):
        self._inums, self.lives = set(inums), 0
        self._by_ends = collections.defaultdict(dict)  # (netns, local, remote): {(cookie, life): Life}

    def add(self, items, heard):
        for item in items:
            if item["type"] != "transition" or item["netns"] not in self._inums or \
                    item["role"] == "listener":
                continue
            there = self._by_ends[(item["netns"], *endpoints(item))]
            name = item["cookie"], item["life"]
            if name not in there:
                request = there.pop((None, 0), None)  # it had no cookie yet
                there[name] = request if request and item["cookie"] not in NAMELESS else Life()
                self.lives += there[name] is not request
            there[name].add(item, heard)

    def of(self, netns, local, remote, cookie=None):
        return [life for (name, _), life in self._by_ends.get((netns, local, remote), {}).items()
                if not cookie or name in (*NAMELESS, cookie)]

    def open_at(self, when, but=()):
        """[(name, state)] of all that are not over, as the lines say that could be read by then."""
        return [((*ends, cookie), life.told_by(when)) for ends, lives in self._by_ends.items()
                for (cookie, _), life in lives.items()
                if life.told_by(when) not in (None, "CLOSED", *but)]

    def forget(self, before):
        """What was over, and read to be, before then: nobody asks for it any more."""
        for ends, lives in list(self._by_ends.items()):
            for name, life in list(lives.items()):
                end = life.known_from("CLOSED")
                if end is not None and end < before:
                    del lives[name]
            if not lives:
                del self._by_ends[ends]


class Look(NamedTuple):
    """`ss`, asked twice. Without TIME_WAIT where `whole` is not set: there are many."""
    begin: int
    at: int
    end: int
    before: dict
    after: dict
    whole: bool


def wrong_at(look, told):
    """[Wrong] of what `ss` showed then and a second later was not told, and (how many were compared).
    Call it when everything that could be read by look.end + PATIENCE_NS is in `told`."""
    wrong, compared, by = [], 0, look.end + PATIENCE_NS
    for (netns, cookie, local, remote), row in look.before.items():
        after = look.after.get((netns, cookie, local, remote))
        if after is None or after.state != row.state or row.state in ("LISTEN", "SYN_RECEIVED"):
            continue
        compared += 1
        lives = told.of(netns, local, remote, cookie)
        if not any(_fits(life, row.state, look, by) for life in lives):
            says = "; ".join(map(str, lives)) or "nothing"
            wrong.append(Wrong(netns, local, remote, f"at {look.at / 1e9:.3f} ss has {row.state}, the trace {says}"))
    but = () if look.whole else ("TIME_WAIT",)
    there = {(netns, local, remote) for rows in (look.before, look.after)
             for netns, _, local, remote in rows}
    for (netns, local, remote, cookie), state in told.open_at(look.begin, but):
        if (netns, local, remote) in there:
            continue
        compared += 1
        for life in told.of(netns, local, remote, cookie):
            known = life.known_from("CLOSED" if look.whole else "TIME_WAIT")
            if life.told_by(look.begin) == state and (known is None or known > by):
                wrong.append(Wrong(netns, local, remote,
                                   f"at {look.at / 1e9:.3f} ss has nothing, the trace {life}"))
    return wrong, compared


def _fits(life, state, look, by):
    """It was told in time, and nothing later was told that was not true yet."""
    known = life.known_from(state)
    early = life.told_by(look.begin)
    return known is not None and known <= by and \
        (early is None or ORDER[early] <= ORDER[state])


def corrections(event, told, inums):
    """[how long after this hidden event it could be read that its state had been left (None: never)]
    of the connections that it can be about. [] where no line tells a state that it left, or its new one."""
    if event["event"] != "inet_sock_set_state" or "newstate=" not in event["text"]:
        return []
    words = dict(word.split("=") for word in event["text"].split() if "=" in word)
    entered = AS_FTRACE.get(words["newstate"])
    left = AS_FTRACE.get(words["oldstate"])
    if entered in (None, "SYN_RECEIVED") or entered == "CLOSED" and left in ("FIN_WAIT_2", "CLOSING"):
        return []  # dated back once there is a child; or a minisock went on with it, which `ss` shows
    ends = [tuple(end) for end in event["ends"]]
    found = []
    for netns in inums:
        for life in told.of(netns, *ends):
            known = life.known_from(entered)
            found.append((None if known is None else known - event["at"], life, (netns, *ends), entered))
    return found
