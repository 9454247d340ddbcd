"""`tcpdwell leaks`: one shot, for people, for scripts, and as a health check."""
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from lib import patience
from lib.child import Child
from lib.clock import MS, now
from lib.kernel import stamps_minisocks
from lib.lifecycle import endpoints
from lib.netns import Netns
from lib.patience import wait_for
from lib.tracer import BINARY, parse_line
from stuck.actors import Actors
from stuck.leakers import half_closes, leaks_six, leaks_two, slow_peer
from test_behaviour import run

pytestmark = pytest.mark.hidden_events

THRESHOLD_NS = 300 * MS
ASKED = ("--flag", "CLOSE_WAIT=300ms", "--flag", "FIN_WAIT_2=300ms")
SCENARIOS = {"six": (leaks_six, 4), "two": (leaks_two, 6), "half": (half_closes, 4)}


class Leakers:
    """One namespace with three processes that leak, and one without anything."""

    def __init__(self):
        host = Netns.current()
        self.netns, self.empty = Netns.create(), Netns.create()
        host.enter()
        host.close()
        self.actors = Actors()
        try:
            for name, (scenario, family) in SCENARIOS.items():
                self.actors.add(name, scenario, self.netns, family)
            self.actors.set_up()
            assert not self.actors.failed, self.actors.failed
        except BaseException:
            self.actors.stop()
            raise
        self.ripen()

    def ripen(self):
        """Until the youngest is past the threshold; a latecomer knows its age to the jiffy."""
        youngest = max(each.entered.hi for each in self.all())
        time.sleep(max(0, youngest + THRESHOLD_NS + 50 * MS - now()) / 1e9)

    def all(self, *names):
        """Whose age the kernel knows."""
        return [each for name in names or SCENARIOS for each in self.actors.stuck[name]
                if each.cause != "orphaned" or stamps_minisocks()]

    def keys(self, *names, keep=lambda each: True):
        return sorted((each.state, each.local, each.remote) for each in self.all(*names)
                      if keep(each))

    def port(self, name):
        return next(each.local[1] for each in self.actors.stuck[name] if each.role == "server")


@pytest.fixture(scope="module")
def leakers():
    made = Leakers()
    try:
        yield made
    finally:
        made.actors.stop()
        made.netns.close()
        made.empty.close()


def leaks(netns, *options, status=1):
    inum = netns if isinstance(netns, int) else netns.inum
    done = run("leaks", "--netns", str(inum), *map(str, options))
    assert done.returncode == status, f"status {done.returncode}, stderr {done.stderr.decode()!r}"
    return done.stdout


def flags(output):
    """The flag objects of --json; around them stand start and end, and nothing else."""
    objects = [parse_line(line) for line in output.splitlines(keepends=True)]
    first, *between, last = objects
    assert (first["type"], last["type"]) == ("start", "end") and first["schema"] == 1
    assert {(item["type"], item["event"]) for item in between} <= {("flag", "raised")}
    assert last["flags_raised"] == last["flags_open"] == len(between)
    return between


def keys(objects):
    return sorted((item["state"], *endpoints(item)) for item in objects)


def test_json(leakers):
    """One object per socket, with the fields of a flag in a trace."""
    got = flags(leaks(leakers.netns, "--json", *ASKED))
    assert keys(got) == leakers.keys()
    by_cookie = {item["cookie"]: item for item in got}
    for stuck in leakers.all():
        item = by_cookie[stuck.cookie]
        text = f"{stuck}: {json.dumps(item)}"
        assert item["cause"] == stuck.cause, text
        assert sorted((each["pid"], each["fd"], each["comm"]) for each in item["holders"]) \
            == sorted(map(tuple, stuck.holders)), text
        assert item["threshold_ns"] == THRESHOLD_NS <= item["dwell_ns"], text
        began = item["mono_ns"] - item["dwell_ns"]
        assert began in stuck.entered.around(15 * MS + (item["error_ns"] or 0)), text
        assert stuck.unread is None or item["unread_bytes"] == stuck.unread, text
        assert stuck.cause == "orphaned" or item["owner"]["via"] == "fd", text


def line_of(text, *words):
    """The first line that has all the words."""
    lines = [number for number, line in enumerate(text.splitlines())
             if all(word in line for word in words)]
    assert lines, f"no line with {words} in\n{text}"
    return lines[0]


def test_text(leakers):
    """Grouped, the worst group first, with count, ages, holder, port and the word for the cause."""
    text = leaks(leakers.netns, *ASKED).decode()
    assert line_of(text, "leaks_six") < line_of(text, "leaks_two"), text
    assert line_of(text, "leaks_six") < line_of(text, "half_closes"), text
    for name, count in (("six", 6), ("two", 2)):
        stuck = [each for each in leakers.actors.stuck[name] if each.state == "CLOSE_WAIT"]
        rest = "\n".join(text.splitlines()[line_of(text, stuck[0].holders[0].comm):][:5])
        for word in (count, leakers.actors.pid(name), leakers.port(name)):
            assert re.search(rf"(?<!\d){word}(?!\d)", rest), f"{word} of {name} is not in\n{rest}"
    assert text.count("leaks_six") < 6, "not grouped:\n" + text
    assert "\x1b" not in text


@pytest.mark.skipif(not stamps_minisocks(), reason="this kernel does not know an orphan's age")
def test_orphan_is_listed_but_no_leak():
    child = Child(slow_peer)
    try:
        inum, cookie = child.told()
        time.sleep(0.5)
        item, = flags(leaks(inum, "--json", *ASKED, status=0))
        assert (item["cookie"], item["cause"], item["holders"]) == (cookie, "orphaned", [])
        assert "orphan" in leaks(inum, *ASKED, status=0).decode()
    finally:
        child.kill()


def test_nothing_there(leakers):
    assert flags(leaks(leakers.empty, "--json", *ASKED, status=0)) == []
    leaks(leakers.empty, *ASKED, status=0)


def test_too_young(leakers):
    """Nothing here is as old as the default thresholds."""
    assert flags(leaks(leakers.netns, "--json", status=0)) == []


def test_thresholds(leakers):
    """Each state has its own."""
    got = flags(leaks(leakers.netns, "--json", "--flag", "CLOSE_WAIT=1h", *ASKED[2:]))
    assert keys(got) == leakers.keys(keep=lambda each: each.state == "FIN_WAIT_2")
    got = flags(leaks(leakers.netns, "--json", "--flag", "FIN_WAIT_2=1h", *ASKED[:2]))
    assert keys(got) == leakers.keys(keep=lambda each: each.state == "CLOSE_WAIT")


def test_port_filter(leakers):
    port = leakers.port("two")
    assert keys(flags(leaks(leakers.netns, "--json", "--port", port, *ASKED))) == \
        leakers.keys("two")
    assert keys(flags(leaks(leakers.netns, "--json", "--lport", port, *ASKED))) == \
        leakers.keys("two", keep=lambda each: each.local[1] == port)


def test_pid_filter(leakers):
    """The holder's: `leaks` shows the sockets that still exist, not their makers."""
    pid = leakers.actors.pid("two")
    assert keys(flags(leaks(leakers.netns, "--json", "--pid", pid, *ASKED))) == \
        leakers.keys("two", keep=lambda each: each.holders)


def test_family_filters(leakers):
    for option, names in (("-4", ("six", "half")), ("-6", ("two",))):
        assert keys(flags(leaks(leakers.netns, "--json", option, *ASKED))) == leakers.keys(*names)


def test_it_keeps_nothing(leakers):
    """Asking changes nothing: the second answer is the first one, only older."""
    first, second = ({item["cookie"]: item for item in
                      flags(leaks(leakers.netns, "--json", *ASKED))} for _ in range(2))
    assert first.keys() == second.keys()
    for cookie, item in first.items():
        later = second[cookie]
        assert later["dwell_ns"] > item["dwell_ns"]
        for name in ("state", "cause", "holders", "unread_bytes", "local", "remote"):
            assert later[name] == item[name]


def interrupted():
    """SIGTERM waits for the first who can take it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("how", [[], ["--json"], ["--watch", "1s"]], ids=["text", "json", "watch"])
def test_interrupted_before_anything_is_known(leakers, how):
    """-q prints nothing if nothing is stuck."""
    done = patience.run([BINARY, "leaks", "--netns", str(leakers.netns.inum), *ASKED, *how],
                        text=True, preexec_fn=interrupted)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done
    assert "interrupted" in done.stderr, done
    assert "stuck" not in done.stdout and '"end"' not in done.stdout, done


def with_descriptors(leakers, limit):
    """A leaks that may have so many descriptors."""
    return patience.run(["prlimit", f"--nofile={limit}", BINARY, "leaks", "--netns",
                         str(leakers.netns.inum), *ASKED], text=True)


def test_a_walk_that_fails(leakers):
    """With ever more descriptors it gets ever further, and never says less than all."""
    said = []
    for limit in range(22, 60):
        done = with_descriptors(leakers, limit)
        if done.returncode == 1:
            break
        assert done.returncode == 2 and "stuck" not in done.stdout, (limit, done)
        assert done.stderr.count("\n") == 1, (limit, done)
        said.append(done.stderr)
    text = leaks(leakers.netns, *ASKED).decode().splitlines()[-1]
    assert done.stdout.splitlines()[-1].split()[1:] == text.split()[1:], done
    assert any("sockets may be missing" in line for line in said), said


class Watch:
    """`leaks --watch` with its output in a file."""

    def __init__(self, path, netns, *options):
        self.path = path
        with open(path, "wb") as file:
            self.process = patience.start(
                [BINARY, "leaks", "--netns", str(netns.inum), *ASKED, *options], stdout=file,
                stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def text(self):
        assert self.process.poll() is None, self.process.stderr.read()
        return self.path.read_text()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return patience.ended(self.process)


@pytest.mark.parametrize("delay_ms", [0, 20, 40, 60, 80])
def test_watch_interrupted_in_a_look(leakers, tmp_path, delay_ms):
    """The looks follow one another without a pause; the last that was completed decides."""
    with Watch(tmp_path / "out", leakers.netns, "--watch", "1ms") as watch:
        wait_for(lambda: "leaks_six" in watch.text(), "the first round")
        time.sleep(delay_ms / 1000)
        assert watch.stop() == 1
        text = watch.path.read_text()
        assert "gone:" not in text and "nothing is stuck" not in text


def test_watch_shows_growth(leakers, tmp_path):
    """Last in this file: it makes the leak bigger."""
    with Watch(tmp_path / "out", leakers.netns, "--watch", "1s") as watch:
        wait_for(lambda: watch.text().count("leaks_six") >= 2, "the second round")
        before = len(watch.text())
        leakers.actors.proceed("six")
        wait_for(lambda: re.search(r"(?<!\d)9(?!\d).*", grown(watch, before)), "nine of them")
        text = grown(watch, before)
        assert re.search(r"\+ ?\d", text), f"no growth in\n{text}"
        assert "min" in text, f"growth per what?\n{text}"
        assert watch.stop() == 1, "the last round had a leak"


def grown(watch, before):
    """The new output; only lines about the growing group."""
    lines = watch.text()[before:].splitlines()
    return "\n".join(line for line in lines if "leaks_six" in line or "min" in line)


def test_watch_without_a_leak(leakers, tmp_path):
    with Watch(tmp_path / "out", leakers.empty, "--watch", "100ms") as watch:
        time.sleep(1.5)
        watch.text()
        assert watch.stop() == 0


def test_bad_watch():
    for value in ("0", "x", ""):
        done = run("leaks", "--watch", value)
        assert done.returncode == 2 and done.stderr.count(b"\n") == 1, (value, done)


def test_not_root():
    done = patience.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BINARY,
                         "leaks"])
    said = done.stderr.decode()
    assert done.returncode == 2 and done.stdout == b"" and said.count("\n") == 1, said
    assert "root" in said, said


WANDERER_LOOKS = 40


def wanders(child):
    """Its thread comes to a namespace and goes again, all the time; one socket there is stuck."""
    home, netns = Netns.current(), Netns.create()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket.create_connection(listener.getsockname())
        server = listener.accept()[0]
    client.close()
    child.tell(netns.inum)
    child.channel.setblocking(False)
    while True:
        home.enter()
        netns.enter()
        try:
            child.channel.recv(1)
        except BlockingIOError:
            continue
        server.close()
        child.channel.setblocking(True)
        return


def test_a_namespace_is_found_whose_thread_comes_and_goes():
    """The walk through the tasks may see it at home, and the one through the descriptors there."""
    child = Child(wanders)
    inum = child.told()
    missed = 0
    for _ in range(WANDERER_LOOKS):
        done = run("leaks", "--json", "--netns", str(inum), "--flag", "CLOSE_WAIT=1ms")
        missed += not any(json.loads(line)["type"] == "flag" for line in done.stdout.splitlines())
    child.channel.send(b".")
    child.result()
    assert missed == 0, f"missed in {missed} of {WANDERER_LOOKS} looks"
