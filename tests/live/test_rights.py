"""Fewer rights than root, and the rights that are kept: it works, or one line says what is missing."""
import os
import signal
import socket
import subprocess
import time

import pytest

from lib import patience, rights
from lib.child import Child
from lib.netns import Netns
from lib.patience import wait_for
from lib.tracer import BINARY, Tracer, connections_in, parse_line

pytestmark = pytest.mark.hidden_events

ENTERS = {"SYS_ADMIN", "SYS_PTRACE", "NET_ADMIN"}  # other network namespaces
BY_KERNEL = {"BPF"}  # kept only where opening an iterator needs it
CONTAINER = ("BPF", "PERFMON", "NET_ADMIN", "SYS_PTRACE")


def run(*arguments, **options):
    return patience.run([BINARY, *arguments], **options)


def one_line(done):
    said = done.stderr.decode()
    assert said.count("\n") == 1 and said.endswith("\n"), f"not one line: {said!r}"
    return said


def time_wait(_=None):
    """A connection that goes to TIME_WAIT, in a namespace that is gone when this process ends."""
    netns = Netns.create()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.close()
        server.close()
    return netns.inum


def time_wait_of(tracer):
    """Its result."""
    inum = Child(time_wait).result()
    ended = []

    def is_over(objects):
        ended[:] = [each for each in connections_in(objects, inum) if "TIME_WAIT" in each["dwell"]]
        return ended
    tracer.wait_for(is_over, "the end of a TIME_WAIT")
    return ended[0]


# --- what is kept -----------------------------------------------------------------------------

def kept_by(pid):
    """By the loop's thread, the helper, and the one that writes a file: the same in all four
    sets, or none at all."""
    kept = {}
    for tid, status in rights.threads(pid).items():
        assert status["CapEff"] == status["CapPrm"], "what is not in use could be taken up again"
        assert not status["CapInh"] and not status["CapAmb"]
        assert status["NoNewPrivs"] == "1"
        kind = "writer" if status["Name"] == "tcpdwell:writer" else "helper"
        kept["loop" if int(tid) == pid else kind] = status["CapEff"] - BY_KERNEL
    return kept


def test_a_trace_keeps_the_rights_that_it_needs():
    with Tracer() as tracer:
        assert kept_by(tracer.process.pid) == {
            "loop": ENTERS | {"DAC_READ_SEARCH", "DAC_OVERRIDE"},  # -o FILE, again at SIGHUP
            "helper": ENTERS | {"DAC_READ_SEARCH"}, "writer": set()}


def test_a_trace_of_its_own_namespace_keeps_less():
    with Tracer("--netns", "self") as tracer:
        assert kept_by(tracer.process.pid) == {"loop": {"DAC_READ_SEARCH", "DAC_OVERRIDE"},
                                               "helper": {"DAC_READ_SEARCH"}, "writer": set()}


def test_the_ready_file_is_no_reason_once_it_is_made(tmp_path):
    ready = tmp_path / "ready"
    with patience.start([BINARY, "--json", "--ready-file", ready],
                        stdout=subprocess.DEVNULL) as tracer:
        try:
            wait_for(ready.exists, "the ready file")
            wait_for(lambda: "DAC_OVERRIDE" not in kept_by(tracer.pid)["loop"], "its last right")
            assert kept_by(tracer.pid)["loop"] == ENTERS | {"DAC_READ_SEARCH"}
        finally:
            tracer.send_signal(signal.SIGINT)


def test_leaks_keep_the_rights_that_they_need():
    with patience.start([BINARY, "leaks", "--json", "--watch", "1s"],
                        stdout=subprocess.PIPE) as leaks:
        try:
            assert parse_line(leaks.stdout.readline())["type"] == "start"
            wait_for(lambda: "helper" in kept_by(leaks.pid), "the helper thread")
            assert kept_by(leaks.pid) == {"loop": ENTERS | {"DAC_READ_SEARCH"},
                                          "helper": ENTERS | {"DAC_READ_SEARCH"}, "writer": set()}
        finally:
            leaks.send_signal(signal.SIGINT)
            leaks.stdout.read()


def test_the_command_of_run_keeps_all():
    """It is forked before the drop; and tcpdwell keeps the right to signal another user."""
    script = 'grep -E "^(Cap|NoNew)" /proc/$$/status; grep -h CapEff /proc/$PPID/task/$PPID/status'
    done = run("run", "-q", "--", "/bin/sh", "-c", script)
    said = done.stdout.decode().split()
    with open("/proc/self/status", encoding="ascii") as file:
        ours = [line.split()[1] for line in file if line.startswith(("Cap", "NoNew"))]
    assert said[1:-2:2] == ours
    assert rights.names_in(int(said[-1], 16)) - BY_KERNEL == ENTERS | {"DAC_READ_SEARCH", "KILL"}


# --- and it is enough --------------------------------------------------------------------------

def test_sighup_makes_a_file_in_the_directory_of_another(tmp_path):
    os.chmod(tmp_path, 0o700)
    os.chown(tmp_path, 65534, 65534)
    output, ready = tmp_path / "out", tmp_path / "ready"
    with patience.start([BINARY, "--json", "-o", output, "--ready-file", ready]) as tracer:
        try:
            wait_for(ready.exists, "the ready file")
            os.rename(output, tmp_path / "old")
            tracer.send_signal(signal.SIGHUP)
            wait_for(output.exists, "the new file")
        finally:
            tracer.send_signal(signal.SIGINT)
    assert tracer.returncode == 0
    assert output.read_bytes().splitlines()[-1].startswith(b'{"type":"end"')


def test_run_signals_a_command_of_another_user():
    script = "echo ready; exec sleep 60"
    with patience.start([BINARY, "run", "--user", "nobody", "--", "/bin/sh", "-c", script],
                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tracer:
        assert tracer.stdout.readline() == b"ready\n"
        tracer.send_signal(signal.SIGTERM)
        assert patience.ended(tracer) == 128 + signal.SIGTERM


# --- less than root ----------------------------------------------------------------------------

@pytest.mark.parametrize("given, says", [
    (("BPF",), "CAP_PERFMON is missing"), (("PERFMON",), "CAP_BPF is missing"),
    (("NET_ADMIN",), "both are missing")])
@pytest.mark.parametrize("command", ["trace", "leaks"])
def test_names_the_rights_that_tracing_needs(command, given, says):
    done = run(command, preexec_fn=rights.only(*given))
    said = one_line(done)
    assert done.returncode == 2 and done.stdout == b""
    assert "tracing needs CAP_BPF and CAP_PERFMON; " + says in said, said


def test_hidden_addresses_are_found():
    """Without CAP_SYSLOG, as with kptr_restrict=2, /proc/kallsyms shows 0."""
    with Tracer(preexec=rights.all_but("SYSLOG")) as tracer:
        end = time_wait_of(tracer)
        said = tracer.stderr()
    shown = not said  # an iter/ksym (6.0) shows the functions that end a timer
    assert end["time_wait_ended"] == ("netns" if shown else "unknown"), said
    if not shown:
        assert said.count("\n") == 1 and "who ends a TIME_WAIT" in said


def test_in_a_container():
    """No CAP_SYS_ADMIN: it traces, in every namespace, and says what it cannot do."""
    with Tracer(preexec=rights.only(*CONTAINER)) as tracer:
        end = time_wait_of(tracer)
        said = tracer.stderr().splitlines()
        sees = tracer.objects()[0]["sees"]
    assert end["role"] == "client" and end["owner"]["via"] == "connect"
    about_namespaces = [line for line in said if "CAP_SYS_ADMIN is missing" in line]
    assert len(about_namespaces) == 1, said
    assert (sees["accept_owner"] == "no") == \
        any("the owner of an accepted connection" in line for line in said), said
    assert len(said) <= 3, said


def stuck_server(child):
    """Its client has closed, and it does not."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.close()
        child.tell(server.getsockname()[1])
        child.told()


def test_a_container_finds_its_own_leaks_and_their_holders():
    """With no other capability than the two."""
    child = Child(stuck_server)
    try:
        port = child.told()
        time.sleep(1.2)
        done = run("leaks", "--json", "--netns", "self", "--flag", "CLOSE_WAIT=1s",
                   preexec_fn=rights.only("BPF", "PERFMON"))
        flags = [each for each in map(parse_line, done.stdout.splitlines(keepends=True))
                 if each["type"] == "flag" and each["local"]["port"] == port]
        assert done.returncode == 1 and done.stderr == b"", done.stderr
        assert [holder["pid"] for holder in flags[0]["holders"]] == [child.pid]
    finally:
        child.kill()


# --- hostile places ----------------------------------------------------------------------------

def test_seccomp_refuses_bpf():
    if rights.SYS_BPF is None:
        pytest.skip("the number of bpf() is not known for this architecture")
    done = run("--json", preexec_fn=rights.without_bpf)
    assert done.returncode == 2 and done.stdout == b""
    assert "seccomp filter refuses bpf()" in one_line(done)


def test_root_of_a_user_namespace():
    done = patience.run(["unshare", "-Ur", BINARY, "--json"])
    if b"unshare" in done.stderr:
        pytest.skip("user namespaces are refused here: " + done.stderr.decode().strip())
    assert done.returncode == 2 and done.stdout == b""
    assert "user namespace" in one_line(done)


WITHOUT_CGROUP2 = """
    for mount in $(awk '/ - cgroup2 / {print $5}' /proc/self/mountinfo); do umount -l "$mount"; done
    exec "$@" """


def without_cgroup2(*arguments):
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", WITHOUT_CGROUP2, "sh", BINARY,
            *arguments]


def test_without_cgroup2():
    """As on a host with cgroup v1 alone: there are no names."""
    with patience.start(without_cgroup2("--json", "--only", "connection"),
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tracer:
        try:
            assert parse_line(tracer.stdout.readline())["type"] == "start"
            inum = Child(time_wait).result()
        finally:
            time.sleep(1)
            tracer.send_signal(signal.SIGINT)
        objects = [parse_line(line) for line in tracer.stdout]
        assert tracer.stderr.read() == b""
    ours = connections_in(objects, inum)
    assert ours and all(each["cgroup"] is None for each in ours)


def test_a_filter_by_cgroup_needs_cgroup2():
    done = patience.run(without_cgroup2("--cgroup", "/x"))
    assert done.returncode == 2 and "cgroup v2 is not mounted" in one_line(done)
