"""The advice about stuck sockets fits the program that holds them: the process that has to act, the
reason, the command to run. Each program is separate; the text is compared with the kernel's data."""
import json
import os
import shutil
import signal
import socket
import subprocess

import pytest

from lib.netns import Netns, ip_batch
from lib.patience import wait_for
from lib.tracer import Tracer
from test_behaviour import run

pytestmark = pytest.mark.hidden_events

PROGRAMS = os.path.join(os.path.dirname(__file__), "advice/programs.py")
AT_ONCE = ("--flag", "CLOSE_WAIT=1ms", "--flag", "FIN_WAIT_2=1ms")


class Fixture:
    """A network namespace of its own, and programs in it."""

    def __init__(self, family):
        self.family = family
        host = Netns.current()
        self.netns = Netns.create()
        host.enter()
        host.close()
        self.running = []

    def starts(self, name, *arguments, program=("/usr/bin/python3", PROGRAMS)):
        """Starts a program and waits until its sockets are stuck. Returns its pid and its output."""
        process = subprocess.Popen([*program, name, self.family, *map(str, arguments)],
                                   stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                   preexec_fn=self._begin, text=True)
        self.running.append(process)
        said = process.stdout.readline().split()
        assert said[:1] == ["ready"], f"{name} ended: {process.poll()}"
        return process.pid, said[1:]

    def _begin(self):
        os.setsid()
        self.netns.enter()

    def traces(self, flag):
        return Tracer("--netns", self.netns.inum, "--flag", flag, json_output=False)

    def leaks(self, *words, json_output=False):
        """The report, as soon as it has these words."""
        def look():
            done = run("leaks", "--netns", str(self.netns.inum), *AT_ONCE,
                       *(["--json"] if json_output else []))
            text = done.stdout.decode()
            seen.append(text)
            return text if all(word in text for word in words) else None
        seen = []
        try:
            return wait_for(look, f"{words} in the report", lambda: None, stalled_s=10)
        except AssertionError as problem:
            raise AssertionError(f"{problem}:\n{seen[-1]}") from None

    def end(self):
        for process in self.running:
            os.killpg(process.pid, signal.SIGKILL)
            process.stdout.close()
            process.wait()
        self.netns.close()


@pytest.fixture(params=["4", "6"], ids=["ipv4", "ipv6"])
def fixture(request):
    made = Fixture(request.param)
    try:
        yield made
    finally:
        made.end()


def entry(text, *words):
    """Of the report: the lines of the entry that has all these words."""
    entries, now = [], []
    for line in text.splitlines():
        if not line.startswith("       ") and now:
            entries.append("\n".join(now))
            now = []
        now.append(line)
    entries.append("\n".join(now))
    found = [each for each in entries if all(word in each for word in words)]
    assert found, f"no entry with {words} in\n{text}"
    return found[0]


def printed(tracer, *words):
    """What a trace has printed, as soon as it has these words."""
    def text():
        with open(tracer.output, encoding="utf-8") as file:
            return file.read()
    wait_for(lambda: all(word in text() for word in words), f"{words} in the trace", text)
    return text()


def flags_of(text):
    return [item for item in map(json.loads, text.splitlines()) if item["type"] == "flag"]


def test_workers_are_one_group(fixture):
    """One group ("N processes"), not N."""
    fixture.starts("prefork", 12)
    text = fixture.leaks("12× python3 programs.py", "12 descriptors of 12 processes of")
    assert text.count("CLOSE_WAIT  eof_unread") == 1, text
    assert "poll its idle connections" in entry(text, "12×"), text


def test_a_trace_that_begins_with_many_prints_groups(fixture):
    fixture.starts("prefork", 12)
    fixture.leaks("12× python3 programs.py")
    with fixture.traces("CLOSE_WAIT=300ms") as tracer:
        shown = printed(tracer, "12× python3 programs.py")
    assert shown.count("STUCK CLOSE_WAIT eof_unread ×12") == 1, shown
    assert shown.count("STUCK CLOSE_WAIT") == 1, shown


def test_names_the_parent_of_an_inherited_descriptor(fixture):
    """The holder is the child, the one to blame is the service: both are named, and SOCK_CLOEXEC."""
    service, (child,) = fixture.starts("inherited")
    text = entry(fixture.leaks("sleep"), "CLOSE_WAIT  eof_read", "sleep")
    assert f"uploader[{service}], which listens on port" in text, text
    assert f"most likely accepted it and started sleep[{child}], which inherited" in text, text
    assert "make uploader open its sockets with SOCK_CLOEXEC" in text, text


def test_of_a_traced_one_too(fixture):
    with fixture.traces("CLOSE_WAIT=200ms") as tracer:
        service, (child,) = fixture.starts("inherited")
        shown = printed(tracer, "STUCK CLOSE_WAIT", "next:")
    assert f"uploader[{service}] accepted it and started sleep[{child}], which inherited" in shown
    assert "make uploader open its sockets with SOCK_CLOEXEC" in shown
    assert f"-p {child}" not in shown.split("STUCK FIN_WAIT_2")[0], "nothing to see in sleep"


def test_a_passed_socket_was_not_inherited(fixture):
    """Its holder has to close it. Neither the service nor the one that accepted started the holder by mistake."""
    with fixture.traces("CLOSE_WAIT=200ms") as tracer:
        _, (login, mailbox) = fixture.starts("passed")
        shown = printed(tracer, "STUCK CLOSE_WAIT", "next:")
    assert f"login[{login}] accepted it and left it to mailbox[{mailbox}]" in shown, shown
    text = entry(fixture.leaks("mailbox"), "CLOSE_WAIT  eof_read", "mailbox")
    for told in (shown, text):
        assert "CLOEXEC" not in told and "most likely accepted" not in told, told
        assert f"-p {mailbox}" in told, told


def test_behind_a_closed_window_no_fin_is_lost(fixture):
    """It names the unsent bytes and the closed window."""
    with fixture.traces("FIN_WAIT_1=200ms") as tracer:
        pid, _ = fixture.starts("zero_window")
        shown = printed(tracer, "STUCK FIN_WAIT_1", "next:")
    assert "are unsent: the peer answers, but accepts no more data (its window is closed)" in shown
    assert "loses" not in shown and "gone" not in shown, shown
    assert f"python3 programs.py[{pid}] in ESTABLISHED with " in shown, shown
    assert f"find out why python3 programs.py[{pid}] does not read: " in shown, shown


def test_of_a_relay_the_other_peer_has_to_close(fixture):
    relay, _ = fixture.starts("relay")
    text = fixture.leaks("seems to relay: it forwarded the close to")
    ended, shut = entry(text, "CLOSE_WAIT  eof_read"), entry(text, "FIN_WAIT_2  half_closed")
    assert f"python3 programs.py[{relay}]" in ended and f"python3 programs.py[{relay}]" in shut
    assert "a timeout for half-closed connections" in ended, ended
    assert "strace" not in ended, "the relay does what it should"


def test_of_a_slow_relay_the_other_peer_has_to_close(fixture):
    """The data was forwarded seconds after the first peer closed."""
    relay, _ = fixture.starts("slow_relay")
    text = fixture.leaks("seems to relay: it forwarded the close to")
    ended, shut = entry(text, "CLOSE_WAIT  eof_read"), entry(text, "FIN_WAIT_2  half_closed")
    assert f"programs.py[{relay}]" in ended and f"programs.py[{relay}]" in shut
    assert "strace" not in ended, "the relay does what it should"


def test_a_stopped_process_is_said_to_be(fixture):
    pid, _ = fixture.starts("stopped")
    text = fixture.leaks("is stopped by a signal (state T)")
    assert f"then resume it: kill -CONT {pid}" in text, text
    flag, = [item for item in flags_of(fixture.leaks("CLOSE_WAIT", json_output=True))
             if item["state"] == "CLOSE_WAIT"]
    assert [holder["state"] for holder in flag["holders"]] == ["T"], flag


def test_names_a_reached_descriptor_limit(fixture):
    fixture.starts("limit")
    fixture.leaks("has 64 of at most 64 descriptors open (RLIMIT_NOFILE)")


def test_prints_a_truncated_name_in_full(fixture, tmp_path):
    path = shutil.copy(PROGRAMS, tmp_path / "a_service_with_a_long_name")
    path.chmod(0o755)
    pid, _ = fixture.starts("plain", program=(path,))
    text = fixture.leaks(f"a_service_with_a_long_name[{pid}]")
    assert f"strace -f -p {pid} -e trace=read,readv,recvfrom,recvmsg,shutdown,close" in text
    flag, = [item for item in flags_of(fixture.leaks("CLOSE_WAIT", json_output=True))
             if item["state"] == "CLOSE_WAIT"]
    assert [holder["comm"] for holder in flag["holders"]] == ["a_service_with_"], "comm stays"


def test_a_thread_that_lives_is_traced(fixture):
    pid, _ = fixture.starts("dead_leader")
    wait_for(lambda: state_of(pid) == "Z", "the end of the first thread")
    live = next(int(tid) for tid in os.listdir(f"/proc/{pid}/task") if int(tid) != pid)
    text = fixture.leaks("eof_read")
    assert f"strace -f -p {live} " in text, text


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0]


def test_the_other_end_in_the_same_namespace(fixture):
    pid, _ = fixture.starts("relay")
    flags = flags_of(fixture.leaks("half_closed", "eof_read", json_output=True))
    ends = {(flag["local"]["port"], flag["remote"]["port"]): flag for flag in flags}
    for flag in flags:
        other = ends[flag["remote"]["port"], flag["local"]["port"]]
        assert flag["other_end"]["state"] == other["state"], flag
        assert flag["other_end"]["pid"] in [each["pid"] for each in other["holders"]], flag
    assert pid in [holder["pid"] for flag in flags for holder in flag["holders"]]


ADDRESSES = {"4": ("10.9.8.1", "10.9.8.2", "24"), "6": ("fd00:9::1", "fd00:9::2", "64")}


@pytest.fixture
def two(fixture):
    """Another namespace with a link to the first one, and the addresses of the two."""
    here, there, bits = ADDRESSES[fixture.family]
    host = Netns.current()
    other = Netns.create()
    with fixture.netns.inside():
        ip_batch(f"link add va type veth peer name vb netns {other.path}",
                 "link set va up",
                 f"addr add {here}/{bits} dev va" + (" nodad" if fixture.family == "6" else ""))
    ip_batch("link set vb up",
             f"addr add {there}/{bits} dev vb" + (" nodad" if fixture.family == "6" else ""))
    host.enter()
    host.close()
    try:
        yield other, here
    finally:
        other.close()


def test_the_other_end_in_another_namespace_of_this_host(fixture, two):
    other, address = two
    family = {"4": socket.AF_INET, "6": socket.AF_INET6}[fixture.family]
    with fixture.netns.inside():
        listener = socket.create_server((address, 0), family=family)
    with other.inside():
        client = socket.create_connection(listener.getsockname()[:2])
    server = listener.accept()[0]
    client.shutdown(socket.SHUT_WR)
    flag, = flags_of(fixture.leaks("CLOSE_WAIT", json_output=True))
    assert flag["other_end"] == {"pid": os.getpid(), "comm": flag["holders"][0]["comm"],
                                 "state": "FIN_WAIT_2"}, flag
    text = fixture.leaks("CLOSE_WAIT")
    assert f"; the other end is fd {client.fileno()} of " in text, text
    assert f"(network namespace {fixture.netns.inum})" in text, text
    for each in (client, server, listener):
        each.close()
