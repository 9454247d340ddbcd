"""Events that the kernel could not deliver are counted, and the table is corrected.

The load reports the exact number of its transitions; the actors move at known times.
"""
import contextlib
import os
import signal
import subprocess
import threading

import pytest

from lib.clock import now, pause
from lib.patience import wait_for
from lib.tracer import BINARY, Tracer, parse_line
from whole.actors import Actors
from whole.deaths import Deaths
from whole.traffic import CHURN, Traffic
from whole.expectations import (LONGEST_NS, differences, flagged, kernel_list, never_flagged,
                           wait_until_whole, wrong_dwells, wrong_dwells_of_load, wrong_flags,
                           wrong_sum)

pytestmark = [pytest.mark.hidden_events,
              pytest.mark.skipif(not os.access(CHURN, os.X_OK),
                                 reason=f"there is no load generator at {CHURN}: build it, or set "
                                        "TCPDWELL_CHURN")]

EVERY_STATE = [option for state in
               ("LISTEN", "SYN_SENT", "SYN_RECEIVED", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2",
                "CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT")
               for option in ("--flag", f"{state}=1s")]
STOP_S = 5


@contextlib.contextmanager
def stopped(tracer):
    """The consumer does not run meanwhile."""
    tracer.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        tracer.process.send_signal(signal.SIGCONT)


def far_too_small(tracer, actors):
    """The ring holds some thirty events, and the load makes ten thousands a second."""
    pause(1.5)
    actors.act()
    pause(1.5)


def consumer_stopped(tracer, actors):
    with stopped(tracer):
        pause(STOP_S / 2)
        actors.act()
        pause(STOP_S / 2)


class Loss:
    """Traffic of which a tracer loses a part, and the tracer's output."""

    def __init__(self, ring_size, happens):
        load = Traffic()
        actors = Actors(load.netns)
        options = ["--netns", load.netns.inum, "--ring-size", ring_size, *EVERY_STATE]
        before = actors.made
        with Tracer(*options) as tracer, contextlib.closing(actors):
            with load:
                happens(tracer, actors)
                load.stop()
            self.quiet_ns = now()
            self.truth = wait_until_whole(tracer, load.netns)
            self.table = flagged(tracer.objects(), load.netns.inum)
            self.whole_ns = now()
            actors.go_on()
            made = actors.made
            kernel_list(load.netns)  # the last acknowledgments have come
            pause(0.5)
            self.still = kernel_list(load.netns)
            self.objects = tracer.stop()
        self.made = load.made + made - before
        self.actors, self.load = actors, load
        self.end = self.objects[-1]

    @property
    def ports(self):
        return self.load.ports | {port for actor in self.actors.each()
                                  for _, port in (actor.local, actor.remote)}


@pytest.fixture(autouse=True)
def _own_events(request, hidden):
    """Only hidden events of the load and the actors count."""
    for name in {"loss", "mourning"} & set(request.fixturenames):
        hidden.ports(request.getfixturevalue(name).ports)


VARIANTS = {"far_too_small_ring": (4096, far_too_small),
            "consumer_stopped": (1 << 18, consumer_stopped)}


@pytest.fixture(scope="module", params=VARIANTS)
def loss(request):
    return Loss(*VARIANTS[request.param])


def test_every_transition_is_counted(loss, hidden):
    assert loss.end["transitions_lost"] > 1000, "that was no loss"
    assert not wrong_sum(loss.objects, loss.made, hidden.transitions())


def test_table_is_the_kernels_list(loss):
    wrong = differences(loss.truth, loss.table)
    assert not wrong, "\n" + "\n".join(wrong)


def test_no_phantom_remains(loss):
    assert loss.end["open"] == loss.still.total(), \
        f"{loss.end['open']} are open, but the kernel has {loss.still.total()}"


def test_spoiled_dwells_are_marked(loss):
    wrong = wrong_dwells(loss.actors.each(), loss.objects)
    assert not wrong, "\n" + "\n".join(wrong)


def test_spoiled_dwells_of_the_load_are_marked(loss):
    wrong = wrong_dwells_of_load(loss.objects, loss.load.ports, LONGEST_NS)
    assert not wrong, f"{len(wrong)} such as\n" + "\n".join(wrong[:5])


def test_no_false_flag(loss):
    wrong = wrong_flags(loss.actors.each(), loss.objects)
    assert not wrong, "\n" + "\n".join(wrong)


def test_stuck_sockets_are_flagged(loss):
    stuck = loss.actors.pairs["stuck"] + loss.actors.pairs["open"]
    wrong = never_flagged([pair.server for pair in stuck], loss.objects, "CLOSE_WAIT") + \
        never_flagged([pair.client for pair in stuck], loss.objects, "FIN_WAIT_2")
    assert not wrong, "\n" + "\n".join(wrong)


MORE_THAN_MAY_WAIT = 128 << 20


def bytes_read(pid):
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return int(file.readline().split()[1])


def test_a_reader_that_keeps_up_gets_every_line(tmp_path):
    """A pipe holds a thousandth of a second's output: it must be refilled as it empties."""
    load, ready = Traffic(), tmp_path / "ready"
    command = [BINARY, "trace", "--json", "--netns", str(load.netns.inum), "--ready-file", ready,
               "--output-buffer", "64M"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tracer:
        try:
            with subprocess.Popen(["tail", "-c", "4096"], stdin=tracer.stdout,
                                  stdout=subprocess.PIPE) as reader:
                tracer.stdout.close()
                wait_for(ready.exists, "the ready file")
                with load:
                    wait_for(lambda: bytes_read(reader.pid) > MORE_THAN_MAY_WAIT, "enough lines",
                             lambda: bytes_read(reader.pid))
                    load.stop()
                tracer.send_signal(signal.SIGINT)
                end = parse_line(reader.stdout.readlines()[-1])
        finally:
            tracer.kill()
    assert end["output_dropped"] == 0


def test_a_loss_just_before_the_end_is_put_right():
    """The tracer takes a last snapshot before it ends."""
    load = Traffic()
    with Tracer("--netns", load.netns.inum, "--ring-size", 4096) as tracer:
        with load:
            pause(1.2)
            load.stop()
        end = tracer.stop()[-1]
    assert end["transitions_lost"] > 1000, "that was no loss"
    there = kernel_list(load.netns).total()
    assert end["open"] == there, f"{end['open']} are open, but the kernel has {there}"


def test_a_lost_transition_is_counted_once(hidden):
    """Also if ss makes the socket's cookie at that moment: two programs see each transition, and
    they tell by the cookie that it is the same one."""
    load, over = Traffic(), threading.Event()
    hidden.ports(load.ports)

    def list_sockets():
        with load.netns.inside():
            while not over.is_set():
                subprocess.run(["ss", "-tanH"], stdout=subprocess.DEVNULL, check=True)

    with Tracer("--netns", load.netns.inum, "--ring-size", 4096) as tracer:
        listing = threading.Thread(target=list_sockets)
        with load:
            listing.start()
            pause(4)
            load.stop()
        over.set()
        listing.join()
        objects = tracer.stop()
    assert objects[-1]["transitions_lost"] > 1000, "that was no loss"
    assert not wrong_sum(objects, load.made, hidden.transitions())


NAMESPACES, SURVIVORS = 100, 5
PORT_OF_ALL = 8  # not used otherwise


class Mourning:
    """Namespaces come and go while events are lost; five of them stay."""

    def __init__(self, ring_size, happens):
        load = Traffic()
        self.ports = {*load.ports, PORT_OF_ALL}
        ports = ",".join(map(str, self.ports))
        with Deaths(NAMESPACES, PORT_OF_ALL) as deaths, \
                Tracer("--port", ports, "--ring-size", ring_size, "--only", "flag",
                       *EVERY_STATE) as tracer:
            with load:
                happens(tracer, deaths)
                deaths.kill(len(deaths.children) - SURVIVORS)
                load.stop()
            self.truth = {netns.inum: wait_until_whole(tracer, netns)
                          for netns in (load.netns, *deaths.namespaces())}
            self.dead = set(deaths.inums) - set(self.truth)
            tracer.came_true(lambda objects: not self.phantoms(objects), self.dead)
            self.objects = tracer.stop()
        self.made, self.end = load.made, self.objects[-1]

    def phantoms(self, objects):
        return list(flagged(objects, *self.dead))


@pytest.fixture(scope="module", params=VARIANTS)
def mourning(request):
    return Mourning(*VARIANTS[request.param])


def test_sum_with_namespaces(mourning, hidden):
    """Others on this host connect, too, and their first transition has no port: so the sum may
    be more than was made here, and never less."""
    assert mourning.end["transitions_lost"] > 1000, "that was no loss"
    assert not wrong_sum(mourning.objects, mourning.made, hidden.transitions(), others=True)


def test_dead_namespaces_leave_nothing(mourning):
    assert len(mourning.dead) >= NAMESPACES - SURVIVORS
    phantoms = mourning.phantoms(mourning.objects)
    assert not phantoms, f"{len(phantoms)} such as {phantoms[:5]}"


def test_living_namespaces_are_the_kernels_list(mourning):
    wrong = [difference for inum, truth in mourning.truth.items()
             for difference in differences(truth, flagged(mourning.objects, inum))]
    assert not wrong, "\n" + "\n".join(wrong)
