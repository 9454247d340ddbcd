"""The state table of the trace against `ss`, at moments of running traffic.

`ss` runs twice. A socket in the same state in both runs was in it in between; others are not compared.
The trace's side is its output up to a second later, late lines included. It is the whole output for half-open
connections, which are printed when they end or become a socket, and for sockets that a walk found because
their first events were hidden: they are printed at their next transition. A change that the trace is not certain
about may have been before or after the moment, within its `error_ns`.
"""
from typing import NamedTuple

from lib.clock import MS, SECOND, now

from .traced_lives import TracedLives

PATIENCE_NS = 1 * SECOND
MARGIN_NS = 5 * MS  # between a change of a state and the table that ss reads


class Moment(NamedTuple):
    begin: int
    at: int
    end: int
    before: dict
    after: dict


def look(network):
    begin = now()
    before = network.rows()
    at = now()
    after = network.rows()
    return Moment(begin, at, now(), before, after)


class Deviation(NamedTuple):
    text: str
    netns: int
    local: tuple
    remote: tuple
    since: int  # the deviation can have begun then
    until: int

    def __str__(self):
        return self.text


def compare(moment, heard, all_of_it, inums):
    """(number of sockets compared, number that were changing, the deviations).

    `heard`: the objects until then; `all_of_it`: the TracedLives of the whole output.
    """
    now_known, wrong, compared = TracedLives(heard, inums), [], 0
    for key, row in moment.before.items():
        if key not in moment.after or moment.after[key].state != row.state:
            continue
        netns, cookie, local, remote = key
        traced = all_of_it if row.state == "SYN_RECEIVED" else now_known
        if traced is all_of_it and (netns, local, remote) in all_of_it.half_open_at_end:
            continue
        compared += 1
        there = traced.at(*key, moment.at) or \
            [life for life in all_of_it.at(*key, moment.at) if life.found]
        if not _agrees([life.states_at(moment.at) for life in there], row.state):
            says = "; ".join(map(str, there)) or "nothing"
            past = "; ".join(life.story(moment.at)
                             for life in all_of_it.by_ends.get((netns, local, remote), []))
            wrong.append(Deviation(f"ss has {row} in {netns}, the trace {says} (in all: {past})",
                                   netns, local, remote, _since(there, moment), moment.end))
    kernel = [_known(moment.before), _known(moment.after)]
    for life in now_known.lives:
        state = life.stays(moment.begin - MARGIN_NS, moment.end + MARGIN_NS)
        if state not in (None, "CLOSED") and not all(_has(each, life, state) for each in kernel):
            wrong.append(Deviation(f"ss has not: {life}", life.netns, life.local, life.remote,
                                   life.times[-1], moment.end))
    return compared, len(moment.before.keys() | moment.after.keys()) - compared, wrong


def _agrees(lives, state):
    """One of the lives is in this state, and the others may be over."""
    same = [states for states in lives if state in states]
    return bool(same) and all("CLOSED" in states for states in lives if states is not same[0])


def _since(lives, moment):
    return min((life.times[0] for life in lives), default=moment.begin)


def _known(rows):
    known = {}
    for (netns, cookie, local, remote), row in rows.items():
        known[netns, local, remote, row.state] = cookie
    return known


def _has(known, life, state):
    cookie = known.get((life.netns, life.local, life.remote, state))
    return cookie is not None and (not cookie or life.cookie in (None, cookie))
