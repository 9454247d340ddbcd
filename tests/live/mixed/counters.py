"""SNMP and NetStat counters against the counts of the trace, to the unit.

What the kernel (6.18) counts, by its source:

AttemptFails: tcp_done() in SYN_SENT or SYN_RECV, so neither close() nor a disconnect; and tcp_check_req()
for an RST or a SYN in the window of a half-open request (EmbryonicRsts counts these alone). A Fast Open
child is a socket whose request goes on until the handshake is over. So an RST counts twice in SYN_RECV,
and once in FIN_WAIT_1, if close() came before the handshake was over.

TW + TWKilled: every minisock once, when it is made.

ListenOverflows: every SYN that finds the accept queue full.

TCPAbortOn*: close() with unread data, with SO_LINGER 0 or with TCP_LINGER2 < 0 (the RST is its own); data for a
socket that is closed; and retries that ran out.

In one case no line shows what was counted: a segment comes while close() runs in FIN_WAIT_2, or together with the
ACK of the FIN. The socket becomes a minisock in the very same call. If data comes to the socket, it is one
of TCPAbortOn*; if it comes to the minisock, it is not, but the minisock is one of TW + TWKilled: so one of
the two counters has it. If an RST comes, the minisock is counted, or nothing. These lives are counted
apart (`either`), and both counters must fit to the unit for some choice of them.
"""
import collections
from typing import NamedTuple

from lib.clock import MS

from .traced_lives import NAMELESS

TIMER_ENDS = ("SYN_SENT", "ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT_1", "LAST_ACK", "CLOSING")
ABORTS = ("TCPAbortOnData", "TCPAbortOnClose", "TCPAbortOnTimeout", "TCPAbortOnLinger",
          "TCPAbortOnMemory")
# Scenarios that end FIN_WAIT_2 with the descriptor open, or without a minisock.
HELD_SCENARIOS = ("reset_in-fin_wait_2", "data_after_shutdown_both", "no_linger2", "time_wait_over",
                "killed-fin_wait_2", "orphan_gets_data_in")
DISCONNECTS = "disconnect-"  # their first life


SAME_CALL_NS = 1 * MS


class Count(NamedTuple):
    name: str
    netns: int
    kernel: int
    trace: int
    either: int = 0  # so many lives may be counted in it or not


class Knowledge:
    """Facts about the sockets that only the traffic's processes know, and no trace shows."""

    def __init__(self, told, names, addresses_of):
        self._ends = {(each.netns, each.local, each.remote) for each in told if each.what == "held"}
        self._disconnected = {(each.netns, each.local, each.remote) for each in told
                              if each.what == "disconnected"}
        self._closings = collections.defaultdict(list)
        for each in told:
            if each.what == "closing":
                self._closings[each.netns, each.local, each.remote].append((each.begin, each.end))
        self.full_queues = {(each.netns, each.local) for each in told if each.what == "overflows"}
        self._names = {address: name for number, name in names.items()
                       for address in addresses_of(number, 1).values()}

    def _scenario(self, life):
        return self._names.get(life.local[0], "")

    def held(self, life):
        return (life.netns, life.local, life.remote) in self._ends or \
            self._scenario(life).startswith(HELD_SCENARIOS)

    def ends_in_close(self, life):
        """It ended while close() ran."""
        return any(begin <= life.end["mono_ns"] <= end
                   for begin, end in self._closings[life.netns, life.local, life.remote])

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
            count["TW + TWKilled"] += _was_minisock(life, at, orphans)
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
    _count_attempt(life, left, ended, count)
    if end["time_wait_ended"] == "reused":
        count["TWRecycled"] += 1
    if ended == "timeout" and left in TIMER_ENDS:
        count["TCPAbortOn*"] += 1
    if left == "FIN_WAIT_2":
        count[_fin_wait_2_ended(life, knowledge)] += 1
    elif ended == "reset_sent" and not knowledge.disconnected(life) and _was_ours(life):
        count["TCPAbortOn*"] += left != "SYN_RECEIVED"


def _count_attempt(life, left, ended, count):
    half_open = life.role == "server" and (life.cookie in NAMELESS or life.end["owner"] is None)
    if left == "SYN_SENT":
        count["AttemptFails"] += ended != "closed"
    elif left == "SYN_RECEIVED" and half_open:
        by_segment = ended in ("reset_received", "reset_sent")
        count["AttemptFails"] += by_segment
        count["EmbryonicRsts"] += by_segment
    elif left == "SYN_RECEIVED":
        twice = life.role == "server" and ended == "reset_received"
        count["AttemptFails"] += 2 if twice else ended in ("reset_received", "timeout", "killed")
    elif left == "FIN_WAIT_1" and life.left[-2] == "SYN_RECEIVED" and life.role == "server":
        count["AttemptFails"] += ended == "reset_received"


def _fin_wait_2_ended(life, knowledge):
    """The name of the counter that has it."""
    ended, why = life.end["ended"], life.whys[-1]
    same_call = knowledge.ends_in_close(life) or life.end["dwell"].get("FIN_WAIT_2", 0) < SAME_CALL_NS
    if ended == "reset_sent" and (why == "close" or knowledge.held(life)):
        return "none" if knowledge.disconnected(life) else "TCPAbortOn*"
    if ended == "overflow" or knowledge.held(life):
        return "none"
    if ended == "reset_sent" and same_call:
        return "data either"
    if ended == "reset_received" and same_call:
        return "reset either"
    return "TW + TWKilled"


def _was_ours(life):
    """One that nobody accepted is reset with its listener, and no counter counts that."""
    owner = life.end["owner"]
    return life.role != "server" or (owner is not None and owner["via"] == "accept")


def _was_minisock(life, at, orphans):
    states = [entered for _, entered, when in life.steps if when <= at]
    if "TIME_WAIT" in states:
        return True
    if states[-1] == "FIN_WAIT_2":
        return (life.netns, life.local, life.remote) in orphans
    return False  # or its end says so


def _syns_again(life):
    """Retransmissions of the SYN alone, which come after one second and after two or three."""
    retransmits = life.end["retransmits"] or 0  # null if the end was hidden
    waited = life.end["dwell"].get("SYN_SENT", 0)
    if "ESTABLISHED" not in life.states:
        return retransmits
    return min(retransmits, (waited > 900 * MS) + (waited > 1900 * MS))


def overflows(traced, netns, at, knowledge):
    """SYNs that a full accept queue swallowed: each that was sent but the one that was taken."""
    queues = {local for where, local in knowledge.full_queues if where == netns}
    return sum(_syns_again(life) + ("ESTABLISHED" not in life.states)
               for life in traced.lives if life.role == "client" and life.remote in queues and
               life.end is not None and life.end["mono_ns"] <= at and
               life.end["ended"] != "refused")  # by the same port, when no socket listened


def between(least, wanted, most):
    return max(least, min(wanted, most))


def counts(traced, netns, at, rows, knowledge, kernel):
    says = expected(traced, netns, at, rows, knowledge)
    says["ListenOverflows"] = overflows(traced, netns, at, knowledge)
    kernel = {**kernel, "TW + TWKilled": kernel["TW"] + kernel["TWKilled"],
              "TCPAbortOn*": sum(kernel[name] for name in ABORTS)}
    data, resets = says["data either"], says["reset either"]
    minisocks = between(0, kernel["TW + TWKilled"] - says["TW + TWKilled"], data + resets)
    # Of the minisocks, `resets` at most were ended by an RST, and the others by data.
    aborts = between(data - min(minisocks, data), kernel["TCPAbortOn*"] - says["TCPAbortOn*"],
                     data - max(0, minisocks - resets))
    says["TW + TWKilled"] += minisocks
    says["TCPAbortOn*"] += aborts
    either = {"TW + TWKilled": data + resets, "TCPAbortOn*": data}
    return [Count(name, netns, kernel[name], says[name], either.get(name, 0))
            for name in ("ActiveOpens", "PassiveOpens", "AttemptFails", "EmbryonicRsts", "EstabResets",
                         "TWRecycled", "TW + TWKilled", "ListenOverflows", "TCPAbortOn*")]
