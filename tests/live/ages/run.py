"""Runs many cases at once, in one process and one namespace."""
import heapq
import time

from lib.netns import Netns, ip_batch, sysctl

from .pair import FAMILY, Expected, Pair


def run_cases(child, cases, families, keepalives, timestamps, quickack=False):
    """Tells the inode of its namespace and what it left behind, and keeps that until it is told."""
    netns = Netns.create()
    sysctl("ipv4.tcp_timestamps", int(timestamps))
    if quickack:
        ip_batch(*(f"route replace local {FAMILY[family][1]} dev lo table local quickack 1"
                   for family in families))
    agenda, facts, kept = [], [], []
    for case in cases:
        for family in families:
            for keepalive in keepalives:
                pair = Pair(family, keepalive)
                kept.append(pair)
                name = (f"{case.__name__} ipv{family} keepalive={keepalive} timestamps={timestamps}"
                        f" quickack={quickack}")
                heapq.heappush(agenda, (time.monotonic(), len(kept), name, case(pair)))
    while agenda:
        due, number, name, acts = heapq.heappop(agenda)
        time.sleep(max(0, due - time.monotonic()))
        for act in acts:
            if not isinstance(act, Expected):
                heapq.heappush(agenda, (time.monotonic() + act, number, name, acts))
                break
            # Without a timer for its ACK only the next acknowledgment shows the FIN.
            certain = act.certain and not (quickack and act.state == "CLOSE_WAIT")
            facts.append(act._replace(case=name, certain=certain))
    for start in range(0, len(facts), 100):
        child.tell((netns.inum, facts[start:start + 100]))
    child.tell((netns.inum, []))
    child.told()
