"""Times in tests: brackets on CLOCK_MONOTONIC.

A test never claims "this took 100 ms". It reads the clock right before and right after its own
action; the kernel's reaction happened in between. On a slow machine a bracket grows, but stays
correct.
"""
import time
from typing import NamedTuple

MS = 1_000_000
SECOND = 1_000_000_000


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def pause(seconds):
    """Lets a state last. The state's true length is measured by brackets, never by this number."""
    time.sleep(seconds)


class Bracket(NamedTuple):
    lo: int
    hi: int

    def later(self, least_ns, most_ns=None):
        return Bracket(self.lo + least_ns, self.hi + (least_ns if most_ns is None else most_ns))

    def around(self, margin_ns):
        return Bracket(self.lo - margin_ns, self.hi + margin_ns)

    def until(self, end):
        """The time from this action to that one: minimum and maximum."""
        return Bracket(max(0, end.lo - self.hi), end.hi - self.lo)

    def joined(self, other):
        return Bracket(min(self.lo, other.lo), max(self.hi, other.hi))

    def __contains__(self, value):
        return self.lo <= value <= self.hi

    def __str__(self):
        return f"[{self.lo / MS:.3f} ms, {self.hi / MS:.3f} ms]"


def timed(action, *args):
    """(what the action returned, the bracket of the call)."""
    lo = now()
    value = action(*args)
    return value, Bracket(lo, now())


def wheel_granule_ns(timeout_s, hz):
    """The maximum delay of a kernel timer of this length: include/linux/timer.h, kernel/time/timer.c.

    Level n of the timer wheel holds what is less than 63 * 8^n jiffies away, in steps of 8^n.
    """
    jiffies, level = timeout_s * hz, 0
    while jiffies >= 63 << (3 * level):
        level += 1
    return (1 << (3 * level)) * SECOND // hz
