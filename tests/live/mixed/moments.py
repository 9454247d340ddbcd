"""The state table of the trace against `ss`, at moments at which the traffic does not stop.

`ss` is asked twice. What is in the same state in both was in it in between; what is not is not compared.
The trace's side is what it had said a second later at the latest, also about the past; but of a half-open
connection all that it ever said, as it tells that one when it is over, or has become a socket.
"""
from typing import NamedTuple

from lib.clock import MS, SECOND, now

from .book import Book

PATIENCE_NS = 1 * SECOND
MARGIN_NS = 5 * MS  # between a change of a state and the table that ss reads


class Moment(NamedTuple):
    begin: int
    at: int
    end: int
    before: dict
    after: dict


def look(place):
    begin = now()
    before = place.rows()
    at = now()
    after = place.rows()
    return Moment(begin, at, now(), before, after)


class Deviation(NamedTuple):
    text: str
    netns: int
    local: tuple
    remote: tuple
    since: int  # when what is wrong can have begun
    until: int

    def __str__(self):
        return self.text


def compare(moment, heard, all_of_it, inums):
    """(how many sockets were compared, how many were changing, the deviations).

    `heard`: the objects until then; `all_of_it`: the Book of all that ever came.
    """
    now_known, wrong, compared = Book(heard, inums), [], 0
    for key, row in moment.before.items():
        if key not in moment.after or moment.after[key].state != row.state:
            continue
        netns, cookie, local, remote = key
        book = all_of_it if row.state == "SYN_RECEIVED" else now_known
        if book is all_of_it and (netns, local, remote) in all_of_it.half_open_at_end:
            continue
        compared += 1
        there = book.at(*key, moment.at)
        if [story.state_at(moment.at) for story in there] != [row.state]:
            says = "; ".join(map(str, there)) or "nothing"
            past = ": ".join(map(str, book.by_ends.get((netns, local, remote), [])))
            wrong.append(Deviation(f"ss has {row} in {netns}, the trace {says} (past: {past})",
                                   netns, local, remote, _since(there, moment), moment.end))
    kernel = [_known(moment.before), _known(moment.after)]
    for story in now_known.stories:
        state = story.stays(moment.begin - MARGIN_NS, moment.end + MARGIN_NS)
        if state not in (None, "CLOSED") and not all(_has(each, story, state) for each in kernel):
            wrong.append(Deviation(f"ss has not: {story}", story.netns, story.local, story.remote,
                                   story.times[-1], moment.end))
    return compared, len(moment.before.keys() | moment.after.keys()) - compared, wrong


def _since(stories, moment):
    return min((story.times[0] for story in stories), default=moment.begin)


def _known(rows):
    known = {}
    for (netns, cookie, local, remote), row in rows.items():
        known[netns, local, remote, row.state] = cookie
    return known


def _has(known, story, state):
    cookie = known.get((story.netns, story.local, story.remote, state))
    return cookie is not None and (not cookie or story.cookie in (None, cookie))
