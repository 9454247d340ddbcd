# SPDX-License-Identifier: Apache-2.0
"""Writes down again and again what ss says, so that a flag can be compared with what was there."""

import collections
import threading
from typing import NamedTuple

from lib.clock import MS, now

EVERY_S = 0.05
SLACK_NS = 2 * MS


class Look(NamedTuple):
    """One answer of ss: each of these states was true at some moment in between."""

    began: int
    ended: int
    states: dict  # by cookie; TIME_WAIT is left out


class Witness:
    def __init__(self, netns):
        self._netns, self._stop, self.looks = netns, threading.Event(), []
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _watch(self):
        while not self._stop.wait(EVERY_S):
            began = now()
            states = {row.cookie: row.state for row in self._netns.sockets()}
            self.looks.append(Look(began, now(), states))

    def denies(self, flag):
        """What ss said against this flag; and how often it was asked while that should be true."""
        began = flag["mono_ns"] - flag["dwell_ns"] + (flag["error_ns"] or 0) + SLACK_NS
        asked = [
            look
            for look in self.looks
            if look.began >= began and look.ended <= flag["mono_ns"] - SLACK_NS
        ]
        against = [
            f"{(look.began - began) / MS:.0f} ms later ss said {look.states.get(flag['cookie'])}"
            for look in asked
            if look.states.get(flag["cookie"]) != flag["state"]
        ]
        return against, len(asked)

    def stays(self):
        """{(cookie, state): ns for which it was seen in it, at least}."""
        since, longest = {}, collections.Counter()
        for look in self.looks:
            here = set(look.states.items())
            since = {key: since.get(key, look.ended) for key in here}
            for key, first in since.items():
                longest[key] = max(longest[key], look.began - first)
        return longest
