"""Events that the kernel has hidden from tcpdwell, and their connections. witness.py describes the defect."""
import ipaddress
import json
import os
import subprocess
import sys

from .clock import MS, Bracket

SLACK_NS = 1 * MS
SOME_TIME = Bracket(0, 1 << 63)  # for a time that a scenario does not give
NEEDS_MINISOCK, NEEDS_REQUEST = "tw_timer_handler", "reqsk_timer_handler"


class Witness:
    """The process of witness.py. `why` says why it is not available.

    TCPDWELL_WITNESS=0 disables it, for kernels that hide nothing, as in the virtual machines of tests/vm.
    """

    def __init__(self):
        self._events, self.lost, self.why = [], 0, ""
        if os.environ.get("TCPDWELL_WITNESS") == "0":
            self.why = "TCPDWELL_WITNESS=0"
            return
        live = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self._process = subprocess.Popen([sys.executable, "-S", "-m", "lib.witness"], cwd=live,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        said = self._process.stdout.readline()
        self.why = json.loads(said)["why"] if said else "the witness ended at once"
        if self.why:
            self._end()

    def events(self, since_ns=0):
        """All events hidden so far, as dicts: `at`, `event`, `ends` or `timer`."""
        if not self.why:
            try:
                self._process.stdin.write("?\n")
                self._process.stdin.flush()
                said = self._process.stdout.readline()
            except BrokenPipeError:
                said = ""
            if not said:
                raise RuntimeError("the witness of hidden events died")
            answer = json.loads(said)
            self._events += answer["events"]
            self.lost += answer["lost"]
        return [event for event in self._events if event["at"] >= since_ns]

    def close(self):
        """Also removes its instance of tracefs."""
        if not self.why:
            self._end()

    def _end(self):
        self._process.terminate()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def about_ports(events, ports):
    """The events with one of these ports, and those without ports: timers."""
    return [event for event in events if "ends" not in event
            or any(port in ports for _, port in event["ends"])]


def about_lives(events, lives):
    return [event for event in events if any(_about(event, life) for life in lives)]


def hides_segment(events, life):
    """True if a segment for this connection's minisock was hidden, which shows its states exactly."""
    return any(event["event"] == "kfree_skb" for event in about_lives(events, [life]))


def _about(event, life):
    if "ends" in event:
        here, there = event["ends"]
        return _same(here, life.local) and _same(there, life.remote)
    return any(event["at"] in moment.around(SLACK_NS)
               for moment in _moments(life, event["function"]))


def _same(end, known):
    """A zero address or port matches any: the kernel has cleared it."""
    address, port = end
    known_address = ipaddress.ip_address(known[0])
    address = ipaddress.ip_address(address)
    return (address.is_unspecified or known_address.is_unspecified or address == known_address) \
        and port in (0, known[1])


def _moments(life, function):
    """The times at which a timer of this connection can have been started or stopped. Otherwise a
    timer event only has a kernel address."""
    moments = []
    for step, after in zip(life.steps, [*life.steps[1:], None]):
        if step.state == "SYN_RECEIVED" and function != NEEDS_MINISOCK:
            moments.append(_from_to(step, after))  # it runs until then, and is restarted
        if step.state in ("FIN_WAIT_2", "TIME_WAIT") and function != NEEDS_REQUEST:
            moments += [step.at or SOME_TIME, after.at if after else None]
    if life.last_arm and function != NEEDS_REQUEST:
        moments += [life.last_arm, life.last_arm.later(60_000 * MS, 66_000 * MS)]
    return [moment for moment in moments if isinstance(moment, Bracket)]


def _from_to(step, after):
    end = after.at if after and isinstance(after.at, Bracket) else step.at
    return step.at.joined(end) if isinstance(step.at, Bracket) else SOME_TIME
