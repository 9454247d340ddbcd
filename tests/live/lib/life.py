"""The expected output about one connection, as plain data that a scenario writes and the checker reads.

If several values are right, an expectation is a tuple of them. ANY means
that any value is right.
"""
import os
from dataclasses import dataclass, field
from typing import NamedTuple, Optional, Union

from .clock import Bracket

ANY = "<any>"
ANY_PATH = "<any states from here on>"
LONGEST_TIME_WAIT_S = 66  # HZ=100 rounds 60 s up to 65.12
TIMES_OUT_OF_TIME_WAIT = "<60 s after the last arm, as late as the timer wheel may fire>"


class Who(NamedTuple):
    """An owner or a closer; `via` is the call that made it one."""
    pid: int
    via: str
    comm: str = ANY
    uid: int = 0


def me(via):
    """This process, by the name of its thread group's leader."""
    with open("/proc/self/comm", "rb") as file:
        comm = file.read().rstrip(b"\n").decode("utf-8", "replace")
    return Who(os.getpid(), via, comm, os.getuid())


class Step(NamedTuple):
    """A state that is entered. The bracket is None if the test cannot know the time."""
    state: str
    at: Union[Bracket, str, None]


@dataclass
class Life:
    role: str
    family: int
    local: tuple  # (address, port)
    remote: tuple
    netns: int = 0
    cookie: Optional[str] = ANY  # None: a request socket, which has none
    life: int = 0
    opened_by: object = ANY
    owner: object = None
    closer: object = None
    steps: list = field(default_factory=list)
    ended: object = ANY
    closed_by: object = ANY
    time_wait_ended: object = None
    bytes_sent: object = 0
    bytes_received: object = 0
    retransmits: object = ANY
    begin_unknown_of: Optional[str] = None  # the state whose beginning no tracer can see
    last_arm: Optional[Bracket] = None  # of the TIME_WAIT timer
    last_of_netns: bool = False  # its namespace is gone; the inode number may be reused

    @property
    def first_from(self):
        return "LISTEN" if self.role == "server" else "CLOSED"

    @property
    def over(self):
        return bool(self.steps) and self.steps[-1].state in ("CLOSED", ANY_PATH)

    def enter(self, state, at):
        self.steps.append(Step(state, at))
        if state == "TIME_WAIT":
            self.last_arm = at

    def ends(self, ended, closed_by, time_wait_ended=None):
        self.ended, self.closed_by, self.time_wait_ended = ended, closed_by, time_wait_ended

    def dwell(self, state):
        """Bracket of the last stay in `state`, from the test's own actions."""
        index = max(i for i, step in enumerate(self.steps) if step.state == state)
        return self.steps[index].at.until(self.steps[index + 1].at)

    def __str__(self):
        path = " ".join(step.state for step in self.steps)
        return (f"{self.role} {self.local[0]}:{self.local[1]} {self.remote[0]}:{self.remote[1]} "
                f"cookie {self.cookie} life {self.life}: {path}")
