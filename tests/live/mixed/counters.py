"""SNMP and NetStat counters against the counts of the trace, to the unit."""
import collections
from typing import NamedTuple

TIMER_ENDS = ("SYN_SENT", "ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT_1", "LAST_ACK", "CLOSING")
ABORTS = ("TCPAbortOnData", "TCPAbortOnClose", "TCPAbortOnTimeout", "TCPAbortOnLinger",
          "TCPAbortOnMemory")
# Scenarios that end FIN_WAIT_2 with the descriptor open, or without a minisock.
HELD_SCENARIOS = ("reset_in-fin_wait_2", "data_after_shutdown_both", "no_linger2", "time_wait_over",
                "killed-fin_wait_2", "orphan_gets_data_in")
DISCONNECTS = "disconnect-"  # their first life


class Count(NamedTuple):
    name: str
    netns: int
    kernel: int
    trace: int


class Knowledge:
    """Facts about the sockets that only the traffic's processes know, and no trace shows."""

    def __init__(self, told, names, addresses_of):
        self._ends = {(each.netns, each.local, each.remote) for each in told if each.what == "held"}
        self._disconnected = {(each.netns, each.local, each.remote) for each in told
                              if each.what == "disconnected"}
        self.full_queues = {(each.netns, each.local) for each in told if each.what == "overflows"}
        self._names = {address: name for number, name in names.items()
                       for address in addresses_of(number, 1).values()}

    def _scenario(self, life):
        return self._names.get(life.local[0], "")

    def held(self, life):
        return (life.netns, life.local, life.remote) in self._ends or \
            self._scenario(life).startswith(HELD_SCENARIOS)

    def disconnected(self, life):
        return (life.netns, life.local, life.remote) in self._disconnected or \
            (life.life == 0 and self._scenario(life).startswith(DISCONNECTS))


def expected(traced, netns, at, rows, knowledge):
    """{counter: number} of what the trace says of one namespace until then."""
    count = collections.Counter()
    orphans = {(key[0], key[2], key[3]) for key, row in rows.items()
               if row.state == "FIN_WAIT_2" and not row.inode}
    for life in traced.lives:
        if life.netns == netns and life.role != "listener" and life.times and life.times[0] <= at:
            _count_steps(life, at, count)
            _count_end(life, at, count, knowledge)
            count["TW + TWKilled"] += _was_minisock(life, at, knowledge, orphans)
    return count


def _count_steps(life, at, count):
    for left, entered, when in life.steps:
        if when > at:
            continue
        if entered == "SYN_SENT":
            count["ActiveOpens"] += 1
        if life.role == "server" and left == "SYN_RECEIVED" and entered != "CLOSED":
            count["PassiveOpens"] += 1
        if entered == "CLOSED" and left in ("ESTABLISHED", "CLOSE_WAIT"):
            count["EstabResets"] += 1


def _count_end(life, at, count, knowledge):
    end = life.end
    if end is None or end["mono_ns"] > at:
        return
    left, ended = life.last[0], end["ended"]
    if left == "SYN_SENT" and ended != "closed" or \
            left == "SYN_RECEIVED" and ended == "reset_received":
        count["AttemptFails"] += 1
    if end["time_wait_ended"] == "reused":
        count["TWRecycled"] += 1
    if ended == "timeout" and left in TIMER_ENDS:
        count["TCPAbortOn*"] += 1
    if ended != "reset_sent" or knowledge.disconnected(life) or not _was_ours(life):
        return
    if left != "FIN_WAIT_2" or knowledge.held(life):
        count["TCPAbortOn*"] += 1
    elif _is_either(life):
        count["either"] += 1


def _is_either(life):
    """An RST in FIN_WAIT_2, at about the time of close(), which saw no end: the RST was an abort of
    the socket, or sent by the minisock that had just replaced it. No line shows which; it counts once,
    as either."""
    return life.last[0] == "FIN_WAIT_2" and life.end["ended"] == "reset_sent"


def _was_ours(life):
    """One that nobody accepted is reset with its listener, and no counter counts that."""
    owner = life.end["owner"]
    return life.role != "server" or (owner is not None and owner["via"] == "accept")


def _was_minisock(life, at, knowledge, orphans):
    states = [entered for _, entered, when in life.steps if when <= at]
    if "TIME_WAIT" in states:
        return True
    if states[-1] == "FIN_WAIT_2":
        return (life.netns, life.local, life.remote) in orphans
    return states[-1] == "CLOSED" and life.last[0] == "FIN_WAIT_2" and life.end is not None and \
        life.end["ended"] != "overflow" and not knowledge.held(life) and not _is_either(life)


def overflows(traced, netns, at, knowledge):
    """SYNs that a full accept queue swallowed: each that was sent but the one that was taken."""
    queues = {local for where, local in knowledge.full_queues if where == netns}
    return sum(life.end["retransmits"] + ("ESTABLISHED" not in life.states)
               for life in traced.lives if life.role == "client" and life.remote in queues and
               life.end is not None and life.end["mono_ns"] <= at)


def counts(traced, netns, at, rows, knowledge, kernel):
    says = expected(traced, netns, at, rows, knowledge)
    says["ListenOverflows"] = overflows(traced, netns, at, knowledge)
    kernel = {**kernel, "TW + TWKilled": kernel["TW"] + kernel["TWKilled"],
              "TCPAbortOn*": sum(kernel[name] for name in ABORTS)}
    minisocks = max(0, min(says["either"], kernel["TW + TWKilled"] - says["TW + TWKilled"]))
    says["TW + TWKilled"] += minisocks
    says["TCPAbortOn*"] += says["either"] - minisocks
    return [Count(name, netns, kernel[name], says[name])
            for name in ("ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets", "TWRecycled",
                         "TW + TWKilled", "ListenOverflows", "TCPAbortOn*")]
