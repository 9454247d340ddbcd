"""What is wrong, and which of it events explain that the kernel has hidden from BPF.

A hidden event (lib/witness.py) explains a deviation about its own connection, or, if it is a timer's, which has
no addresses, about one single connection while it was there; and a counter's difference of one.
"""
import re

from lib.clock import SECOND

SLACK_NS = 1 * SECOND // 10
EXPLAINS = {
    "ActiveOpens": None,  # made by tasks, from which nothing is hidden
    "TWRecycled": None,
    "ListenOverflows": None,
    "PassiveOpens": r"inet_sock_set_state .*oldstate=TCP_(SYN_RECV|LISTEN) ",
    "AttemptFails": r"inet_sock_set_state .*oldstate=TCP_SYN_|timer_\w+ .*reqsk_timer|timer_cancel",
    "EstabResets": r"inet_sock_set_state .*oldstate=TCP_(ESTABLISHED|CLOSE_WAIT) newstate=TCP_CLOSE$",
    "TW + TWKilled": r"inet_sock_set_state .*FIN_WAIT|timer_start .*tw_timer|kfree_skb",
    "TCPAbortOn*": r"inet_sock_set_state .*newstate=TCP_CLOSE$|tcp_send_reset",
}


def unexplained(deviations, events):
    """Those of `Deviation` that no hidden event explains."""
    free, of_connection, left = {id(each): each for each in events}, {}, []
    for each in deviations:
        name = each.netns, each.local, each.remote
        if name not in of_connection:
            of_connection[name] = _explanation(each, free)
            if of_connection[name] and "ends" not in of_connection[name]:
                del free[id(of_connection[name])]
        if not of_connection[name]:
            left.append(each)
    return left


def _explanation(deviation, events):
    ends = [list(deviation.local), list(deviation.remote)]
    near = [each for each in events.values()
            if deviation.since - SLACK_NS < each["at"] < deviation.until + SLACK_NS]
    return next((each for each in near if each.get("ends") == ends), None) or \
        next((each for each in near if "ends" not in each), None)


def unfit(counts, events):
    """[(Count, how many hidden events can be the reason)] of those that differ by more than that."""
    differing = {}
    for each in counts:
        differing.setdefault(each.name, []).append(each)
    wrong = []
    for name, all_of_it in differing.items():
        pattern = EXPLAINS[name]
        hidden = sum(bool(pattern and re.match(pattern, f"{each['event']} {each['text']}"))
                     for each in events)
        if sum(abs(each.kernel - each.trace) for each in all_of_it) > hidden:
            wrong += [(each, hidden) for each in all_of_it if each.kernel != each.trace]
    return wrong
