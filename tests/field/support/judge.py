# SPDX-License-Identifier: Apache-2.0
"""Compares what tcpdwell says is stuck with what ss and /proc say, socket by socket."""

import json
import re
from typing import NamedTuple, Optional

from lib import patience
from lib.clock import MS, Bracket
from lib.lifecycle import endpoints
from lib.tracer import BINARY, Tracer, parse_line

from support.place import descriptors

WATCHED = ("CLOSE_WAIT=1s", "FIN_WAIT_2=1s", "ACCEPT=1s", "CLOSED=1s")  # the trace
ASKED = ("CLOSE_WAIT=500ms", "FIN_WAIT_2=500ms", "ACCEPT=500ms", "CLOSED=500ms")  # leaks: later
SLACK_NS = 50 * MS  # a jiffy, a delayed ACK that is late, two clocks
NUMBER = r"(?<![\d.:]){}(?![\d.:])"
# Where a command that somebody is told to run names the process to look at.
LOOKS_AT = re.compile(
    r"(?:strace\b[^\n|;]*?-p|jstack|jcmd|kill -(?:SIG)?QUIT|py-spy dump (?:-p|--pid)|--pid)[ =](\d+)"
)


def options(thresholds):
    return [part for each in thresholds for part in ("--flag", each)]


class Stuck(NamedTuple):
    """One socket that has to be told. `key`: both endpoints, or who holds it (a dead one)."""

    flag: str
    state: str
    cause: Optional[str]
    key: object
    holders: Optional[frozenset]  # of (pid, fd); None: not compared
    since: Bracket  # when it began, by the test's own clock
    remote_port: Optional[int] = None
    unread: Optional[int] = None
    queue: Optional[dict] = None


def held(flag, cause, rows, since, **more):
    """Sockets in a state that somebody holds; holders are compared with /proc."""
    who = descriptors()
    return [
        Stuck(flag, row.state, cause, (row.local, row.remote),
              frozenset(who.get(row.inode, ())), since, row.remote[1], **more)
        for row in rows
    ]


def unaccepted(place, port, rows, since, family=4):
    """Sockets in the accept queue: those who hold the listener are shown."""
    listener = next(
        row for row in place.sockets() if row.state == "LISTEN" and row.local[1] == port
        and (":" in row.local[0]) == (family == 6)
    )
    holders = frozenset(descriptors()[listener.inode])
    queue = {"length": listener.unread, "backlog": listener.unsent}
    return [
        Stuck("ACCEPT", row.state, "not_accepted", (row.local, row.remote), holders, since,
              row.remote[1], queue=queue)
        for row in rows
    ]


def dead(flag_cause, found, since, remote_port):
    return [
        Stuck("CLOSED", "CLOSED", flag_cause, each.holders, each.holders, since, remote_port)
        for each in found
    ]


def key_of(item):
    if item["flag"] == "CLOSED":
        return item["flag"], frozenset((each["pid"], each["fd"]) for each in item["holders"])
    return item["flag"], endpoints(item)


def flag_key(stuck):
    return stuck.flag, stuck.key


class Answer(NamedTuple):
    status: int
    flags: list
    output: str
    stderr: str


def leaks(place, *more, thresholds=ASKED):
    """`leaks --json` of this namespace."""
    done = patience.run(
        [BINARY, "leaks", "--json", "--netns", place.path, *options(thresholds), *more]
    )
    items = [parse_line(line) for line in done.stdout.splitlines(keepends=True)]
    assert done.returncode in (0, 1), f"status {done.returncode}: {done.stderr.decode()}"
    assert (items[0]["type"], items[-1]["type"]) == ("start", "end"), items
    return Answer(done.returncode, [item for item in items if item["type"] == "flag"],
                  done.stdout.decode(), done.stderr.decode())


def text_of(place, thresholds=ASKED):
    """What people read."""
    done = patience.run([BINARY, "leaks", "--color", "never", "--netns", place.path,
                         *options(thresholds)])
    return done.stdout.decode() + done.stderr.decode()


class Judge:
    """A trace from before the first socket; says at the end who was right. `with` it."""

    def __init__(self, place, watched=WATCHED):
        self.place, self._watched, self._orphans = place, watched, set()
        self.tracer = Tracer("--netns", place.path, "--only", "flag", *options(watched))

    def __enter__(self):
        self.tracer.__enter__()
        return self

    def __exit__(self, *_):
        self.tracer.__exit__()

    def raised(self, tracer=None):
        return [item for item in (tracer or self.tracer).objects()
                if item["type"] == "flag" and item["event"] == "raised"]

    def verdict(self, expected, asked=ASKED, status=1):
        """The trace, `leaks`, and a trace that comes late must tell these and nothing else.
        Returns what `leaks` says in text."""
        self.ripens(expected)
        self._orphans |= {(row.local, row.remote) for row in [*self.place.sockets(), *self.place.msks()]
                          if row.state == "FIN_WAIT_2" and row.inode == 0}
        answer = leaks(self.place, thresholds=asked)
        self._agrees(expected, answer.flags, "leaks")
        assert answer.status == status, answer
        self._agrees(expected, self.raised(), "trace")
        with Tracer("--netns", self.place.path, "--only", "flag",
                    *options(self._watched)) as late:
            wanted = set(map(flag_key, expected))
            late.wait_for(lambda _: wanted <= set(map(key_of, self.raised(late))),
                          f"a trace that comes late to flag {wanted}")
            self._agrees(expected, self.raised(late), "a trace that comes late")
        text = text_of(self.place, asked)
        print(text)
        return text

    def ripens(self, expected):
        """Waits for the flags of the trace."""
        wanted = set(map(flag_key, expected))
        try:
            self.tracer.wait_for(lambda _: wanted <= set(map(key_of, self.raised())), "flags")
        except AssertionError:
            got = set(map(key_of, self.raised()))
            raise AssertionError(
                f"trace did not flag {wanted - got}, but {got}; leaks says "
                f"{[brief(item) for item in leaks(self.place).flags]}"
            ) from None

    def _agrees(self, expected, flags, who):
        """Orphans may be told, too, if they are such: what sent its FIN first and was closed."""
        orphans = [item for item in flags if item["cause"] == "orphaned"]
        assert {endpoints(item) for item in orphans} <= self._orphans, orphans
        found = problems(expected, [item for item in flags if item not in orphans], who)
        assert not found, "\n".join(found)


def brief(item):
    """What matters of a flag."""
    left_out = ("type", "time", "cookie", "life", "netns", "family", "cgroup", "event", "where")
    return json.dumps({name: value for name, value in item.items() if name not in left_out})


def problems(expected, flags, who):
    """What is wrong with these flags, in words."""
    wanted = {flag_key(each): each for each in expected}
    got = {key_of(item): item for item in flags}
    found = [f"{who} told {key} twice" for key in got
             if sum(key_of(item) == key for item in flags) > 1]
    found += [f"{who} did not tell {each}" for key, each in wanted.items() if key not in got]
    found += [f"{who} told what is not so: {brief(item)}"
              for key, item in got.items() if key not in wanted]
    for key in wanted.keys() & got.keys():
        found += [f"{who}: {what}: {brief(got[key])}"
                  for what in _differences(wanted[key], got[key])]
    return found


def _differences(stuck, item):
    found = []

    def compare(name, want, have):
        if want is not None and want != have:
            found.append(f"{name} is {have!r} and should be {want!r}")

    compare("state", stuck.state, item["state"])
    compare("cause", stuck.cause, item["cause"])
    compare("remote port", stuck.remote_port, item["remote"]["port"])
    compare("unread", stuck.unread, item["unread_bytes"])
    queue = item["queue"] or {}
    compare("queue", stuck.queue, {name: queue.get(name) for name in stuck.queue or ()})
    compare("holders", stuck.holders,
            frozenset((each["pid"], each["fd"]) for each in item["holders"]))
    return found + list(_wrong_age(stuck.since, item))


def _wrong_age(since, item):
    """Its bounds must contain the truth."""
    error = item["error_ns"] or 0
    latest = item["mono_ns"] - item["dwell_ns"] + error + SLACK_NS
    if latest < since.lo:
        yield f"the age is {(since.lo - latest) / MS:.0f} ms too high"
    if item["error_ns"] is not None:
        earliest = item["mono_ns"] - item["dwell_ns"] - error - SLACK_NS
    elif item["at_most_ns"] is not None:
        earliest = item["mono_ns"] - item["at_most_ns"] - SLACK_NS
    else:
        return
    if earliest > since.hi:
        yield f"the age is {(earliest - since.hi) / MS:.0f} ms too low"


def other_end(item):
    """(pid, state) of the other end, which is a socket of this host."""
    end = item["other_end"]
    assert end, f"other_end is missing: {brief(item)}"
    return end["pid"], end["state"]


def looked_at(text):
    """The processes that the commands in the text look at."""
    return set(map(int, LOOKS_AT.findall(text)))


def groups(text, *words):
    """The lines of the table that have all of these words: a group each."""
    return [line for line in text.splitlines()
            if re.match(r" *[\d,]+ +[A-Z_0-9]+ ", line) and all(word in line for word in words)]


def paragraph(text, *words):
    """The one group with these words, with what is said about it."""
    line, = groups(text, *words)
    rest = text.partition(line)[2]
    return line + re.split(r"\n(?! {7})", rest, maxsplit=1)[0]


def names(text, number):
    """True if this number stands in the text as a number of its own."""
    return re.search(NUMBER.format(number), text) is not None
