"""What this kernel hides from BPF is told a second later, shortened: `./dev soak hidden` is the long run."""
import os
import random

import pytest

from hidden_events.run import Run
from hidden_events.told import FLUSH_NS, Look, Told, corrections, wrong_at
from lib.clock import SECOND
from lib.ss import Row

CONNECTIONS = int(os.environ.get("TCPDWELL_CONNECTIONS", 2000))
RATE, STAY_S = 150, 3
ENDS = ("10.0.0.1", 1), ("10.0.0.2", 2)


def test_nothing_stays_wrong_for_longer_than_a_second():
    seed = int(os.environ.get("TCPDWELL_SEED", random.randrange(1 << 32)))
    run = Run(CONNECTIONS, RATE, seed, STAY_S)
    print(run)
    assert not run.wrong, f"\n{run}"
    assert run.compared > CONNECTIONS, "too little went on"
    if run.witness.why or not run.hidden:
        pytest.skip(f"no event was hidden: {run.witness.why or 'this kernel calls BPF for all'}")


def line(at, entered):
    here, there = ({"addr": address, "port": port} for address, port in ENDS)
    return {"type": "transition", "mono_ns": at, "netns": 1, "cookie": "a", "life": 0,
            "role": "client", "local": here, "remote": there, "to": entered}


def told(*lines):
    """(the time, in seconds, at which a state is entered and can be read)..."""
    book = Told([1])
    for at, state in lines:
        book.add([line(int(at * SECOND), state)], int(at * SECOND))
    return book


BEGIN = ((1, "SYN_SENT"), (1, "ESTABLISHED"))


@pytest.mark.parametrize("lines, state, wrong", [
    (BEGIN, "ESTABLISHED", 0),
    (BEGIN, "CLOSE_WAIT", 1),
    ((*BEGIN, (5.9, "CLOSE_WAIT")), "CLOSE_WAIT", 0),
    ((*BEGIN, (6.3, "CLOSE_WAIT")), "CLOSE_WAIT", 1),
    ((*BEGIN, (3, "FIN_WAIT_1")), "ESTABLISHED", 1),  # told before it was true
    (BEGIN, None, 1),
    ((*BEGIN, (5.9, "CLOSED")), None, 0),
    ((), "ESTABLISHED", 1),
])
def test_what_is_wrong_for_longer_is_seen(lines, state, wrong):
    """Needs no tracer. `ss` is asked 5 s after the beginning."""
    rows = {(1, "a", *ENDS): Row(state, *ENDS, 0, 0, "a")} if state else {}
    look = Look(5 * SECOND, 5 * SECOND, 5 * SECOND, rows, rows, True)
    assert len(wrong_at(look, told(*lines))[0]) == wrong


def test_how_long_it_was_wrong():
    """Needs no tracer."""
    event = {"event": "inet_sock_set_state", "at": 2 * SECOND, "ends": [list(end) for end in ENDS],
             "text": "family=AF_INET oldstate=TCP_ESTABLISHED newstate=TCP_CLOSE_WAIT"}
    late = told(*BEGIN, (4, "CLOSE_WAIT"))
    assert [each[0] for each in corrections(event, late, [1])] == [2 * SECOND]
    assert [each[0] for each in corrections(event, told(*BEGIN), [1])] == [None]
    assert not corrections(event, late, [2]) and FLUSH_NS < SECOND
