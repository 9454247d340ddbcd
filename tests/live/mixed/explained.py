"""Deviations, and which of them are explained by events that the kernel has hidden from BPF.

A hidden event (lib/witness.py) explains the deviations of its own connection. An event of a timer has no
addresses: it explains those of one connection that existed at the time. Each event explains a counter's difference of one.
"""
import re

from lib.clock import SECOND

SLACK_NS = 1 * SECOND // 10
CORRECTED_NS = 1 * SECOND  # what a hidden event made wrong is right by then (hidden_run.py)
REQUEST_TIMER = r"timer_(start|expire_entry) .*function=reqsk_timer|timer_cancel "
EXPLAINS = {
    "ActiveOpens": None,  # counted in a task's own context, where no event is hidden
    "TWRecycled": None,
    "PassiveOpens": r"inet_sock_set_state .*oldstate=TCP_(SYN_RECV|LISTEN) ",
    "EstabResets": r"inet_sock_set_state .*oldstate=TCP_(ESTABLISHED|CLOSE_WAIT) newstate=TCP_CLOSE$",
    "AttemptFails": rf"inet_sock_set_state .*oldstate=TCP_SYN_(SENT|RECV) |{REQUEST_TIMER}",
    "EmbryonicRsts": REQUEST_TIMER,
    "TW + TWKilled": r"timer_start .*function=tw_timer|timer_cancel |kfree_skb "
                     r"|inet_sock_set_state .*newstate=TCP_(FIN_WAIT2|CLOSE)$",
    "ListenOverflows": r"tcp_retransmit_skb |inet_sock_set_state .*oldstate=TCP_SYN_SENT ",
    "TCPAbortOn*": r"tcp_send_reset |inet_sock_set_state .*newstate=TCP_(FIN_WAIT2|CLOSE)$"
                   r"|timer_start .*function=tw_timer",
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
            if deviation.since - CORRECTED_NS - SLACK_NS < each["at"] < deviation.until + SLACK_NS]
    return next((each for each in near if each.get("ends") == ends), None) or \
        next((each for each in near if "ends" not in each), None)


def unfit(counts, events):
    """[(Count, number of hidden events that can be the reason)] where the difference is larger than that number."""
    differing = {}
    for each in counts:
        differing.setdefault(each.name, []).append(each)
    wrong = []
    for name in EXPLAINS:
        all_of_it = differing[name]
        pattern = EXPLAINS[name]
        hidden = sum(bool(pattern and re.match(pattern, f"{each['event']} {each['text']}"))
                     for each in events)
        if sum(abs(each.kernel - each.trace) for each in all_of_it) > hidden:
            wrong += [(each, hidden) for each in all_of_it if each.kernel != each.trace]
    return wrong
