"""`tcpdwell run`: which sockets are leaks of the command, and which are not.

States last much longer, or are limited much longer, than a busy machine can delay anything: each
rule is tested with the others' limits out of the way (LATE).
"""
import contextlib
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from lib import diag, patience
from lib.netns import Netns
from lib.run import FAMILIES, LOOPBACK, Peer, Run, leaky, python, run
from lib.patience import wait_for
from lib.tracer import BINARY

pytestmark = pytest.mark.hidden_events

LATE = "30s"
NO_THRESHOLD = ["--flag", f"CLOSE_WAIT={LATE}", "--flag", f"FIN_WAIT_2={LATE}"]
NO_GRACE = ["--exit-grace", LATE]
both_families = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])


@pytest.fixture
def netns():
    """A namespace for a test's sockets; the test itself stays outside."""
    before = Netns.current()
    made = Netns.create()
    before.enter()
    yield made
    for each in (before, made):
        each.close()


def leak(netns, scenario, peer, *options, family=4, **parameters):
    """Runs a leaky client of a peer that behaves so."""
    with Peer(netns, family, peer) as server:
        return run(leaky(scenario, **server.where, **parameters), *options, preexec=netns.enter)


def only_flag(done, state, cause, netns):
    """The one leak that was found, which is of the process that said so."""
    assert len(done.flags) == 1, done
    flag = done.flags[0]
    assert (flag["state"], flag["cause"], flag["netns"]) == (state, cause, netns.inum)
    assert flag["owner"]["pid"] == done.said["pid"]
    return flag


def wait_for_state(netns, local, remote, state):
    with netns.inside():
        wait_for(lambda: diag.state_of(local, remote) == diag.NUMBERS[state], state)


LONG = 3.0  # seconds: over the threshold, and on a busy machine some time for finding the holders

SCENARIOS = {  # scenario: what its peer does, the state, the cause
    "eof_read": ("hangs_up", "CLOSE_WAIT", "eof_read"),
    "unread": ("hangs_up", "CLOSE_WAIT", "eof_unread"),
    "half_closed": ("holds", "FIN_WAIT_2", "half_closed"),
}


@both_families
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_scenarios_leak_as_intended(netns, scenario, family):
    """Needs no tracer: the kernel's word for the states that the tests below rely on."""
    behaviour, state, _ = SCENARIOS[scenario]
    with Peer(netns, family, behaviour) as server:
        command = leaky(scenario, **server.where, wait=True, status=7)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              preexec_fn=netns.enter) as process:
            local = tuple(json.loads(process.stdout.readline())["local"])
            wait_for_state(netns, local, (server.address, server.port), state)
            process.stdin.close()
            assert patience.ended(process) == 7


# --- longer than the threshold ------------------------------------------------------------------

@both_families
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_longer_than_a_second(netns, scenario, family):
    """The default thresholds; nothing else would tell."""
    behaviour, state, cause = SCENARIOS[scenario]
    done = leak(netns, scenario, behaviour, *NO_GRACE, family=family, seconds=LONG)
    assert done.status == 1, done
    flag = only_flag(done, state, cause, netns)
    assert flag["threshold_ns"] == 10**9 <= flag["dwell_ns"]
    assert {"pid": done.said["pid"], "fd": done.said["fd"]}.items() <= flag["holders"][0].items()
    assert flag["remote"]["addr"] == LOOPBACK[family] and flag["role"] == "client"


def test_with_data_left_to_read(netns):
    done = leak(netns, "unread", "greets", *NO_GRACE, seconds=LONG)
    assert done.status == 1, done
    assert only_flag(done, "CLOSE_WAIT", "data_unread", netns)["unread_bytes"] == 5


@pytest.mark.parametrize("scenario", ["eof_read", "half_closed"])
def test_threshold_of_ones_own(netns, scenario):
    behaviour, state, cause = SCENARIOS[scenario]
    flag = ["--flag", f"{state.lower()}=300ms"]
    done = leak(netns, scenario, behaviour, *NO_GRACE, *flag, seconds=0.8)
    assert done.status == 1, done
    assert only_flag(done, state, cause, netns)["threshold_ns"] == 300_000_000


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_shorter_than_the_threshold(netns, scenario):
    """Longer than the default threshold, but not than the given one."""
    done = leak(netns, scenario, SCENARIOS[scenario][0], *NO_GRACE, *NO_THRESHOLD, seconds=LONG)
    assert done.status == 0 and not done.flags, done


# --- closed by nothing but the end of the process ---------------------------------------------

@both_families
def test_left_to_the_exit(netns, family):
    """By default from 100 ms on."""
    done = leak(netns, "eof_read", "hangs_up", *NO_THRESHOLD, family=family, seconds=0.3)
    assert done.status == 1, done
    flag = done.flags[0]
    assert len(done.flags) == 1 and flag["state"] == "CLOSE_WAIT" and flag["netns"] == netns.inum
    assert flag["owner"]["pid"] == done.said["pid"] and flag["dwell_ns"] >= 300_000_000


def test_left_to_a_killed_process(netns):
    """The kernel closes it all the same, and the status is the signal's."""
    done = leak(netns, "eof_read", "hangs_up", *NO_THRESHOLD, seconds=0.3, signal="SIGKILL")
    assert done.status == 128 + signal.SIGKILL and len(done.flags) == 1, done


def test_left_to_the_exit_within_the_grace(netns):
    done = leak(netns, "eof_read", "hangs_up", *NO_THRESHOLD, "--exit-grace", "5s")
    assert done.status == 0 and not done.flags, done


def test_grace_of_ones_own(netns):
    done = leak(netns, "eof_read", "hangs_up", *NO_THRESHOLD, "--exit-grace", "300ms", seconds=0.8)
    assert done.status == 1 and len(done.flags) == 1, done


def test_a_flagged_one_left_to_the_exit_is_one_leak(netns):
    done = leak(netns, "eof_read", "hangs_up", seconds=LONG)
    assert done.status == 1 and len(done.flags) == 1, done


def test_fin_wait_2_left_to_the_exit_is_none(netns):
    """Only CLOSE_WAIT has a grace: here nothing waits for this process."""
    done = leak(netns, "half_closed", "holds", *NO_THRESHOLD, seconds=0.3)
    assert done.status == 0 and not done.flags, done


# --- what is no leak --------------------------------------------------------------------------

@both_families
def test_closed_in_order(netns, family):
    done = leak(netns, "clean", "echoes", family=family)
    assert done.status == 0 and not done.flags, done


def test_closed_late_but_closed(netns):
    """Longer than the grace in CLOSE_WAIT, then close() by the application."""
    done = leak(netns, "eof_read", "hangs_up", *NO_THRESHOLD, seconds=0.4, close=True)
    assert done.status == 0 and not done.flags, done


def test_a_slow_peer_is_not_ours(netns):
    """It closed; its FIN_WAIT_2 lasts for as long as the peer, not traced, sits in CLOSE_WAIT."""
    done = leak(netns, "orphan", "holds", "--exit-grace", "1ms", seconds=LONG)
    assert done.status == 0, done
    assert all(flag["cause"] == "orphaned" for flag in done.flags), done


@both_families
def test_an_unrelated_process_leaks(netns, family):
    """Meanwhile, in the same namespace, in both states, begun after the command."""
    with Peer(netns, family, "hangs_up") as hangs_up, Peer(netns, family, "holds") as holds, \
            Run(leaky("listening", address=LOOPBACK[family], wait=True, seconds=LONG), *NO_GRACE,
                preexec=netns.enter) as running, contextlib.ExitStack() as ours:
        assert "pid" in running.line()
        with netns.inside():
            for peer in (hangs_up, holds):
                sock = socket.create_connection((peer.address, peer.port))
                ours.enter_context(sock)
                if peer is hangs_up:
                    assert sock.recv(1) == b""
                else:
                    sock.shutdown(socket.SHUT_WR)
        done = running.done(b"\n")
    assert done.status == 0 and not done.flags, done


# --- the exit status ----------------------------------------------------------------------------

@pytest.mark.parametrize("status", [0, 7])
def test_without_a_leak_it_is_the_commands(netns, status):
    assert leak(netns, "clean", "echoes", status=status).status == status


def test_with_a_leak_too_if_that_says_something(netns):
    done = leak(netns, "eof_read", "hangs_up", seconds=0.3, status=5)
    assert done.status == 5 and len(done.flags) == 1, done


def test_with_a_leak_and_a_signal(netns):
    done = leak(netns, "eof_read", "hangs_up", seconds=0.3, signal="SIGTERM")
    assert done.status == 128 + signal.SIGTERM and len(done.flags) == 1, done


def test_leak_exit_code(netns):
    done = leak(netns, "eof_read", "hangs_up", "--leak-exit-code", "42", seconds=0.3)
    assert done.status == 42, done


# --- descendants ------------------------------------------------------------------------------

@pytest.fixture
def cgroup():
    """A cgroup of the test's own, or None without cgroup v2."""
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        mounts = [line.split() for line in table]
    roots = [fields[4] for fields in mounts if fields[fields.index("-") + 1] == "cgroup2"]
    if not roots:
        yield None
        return
    path = f"{roots[0]}/tcpdwell-test-{os.getpid()}"
    os.mkdir(path)
    yield path

    def removed():
        with contextlib.suppress(OSError):  # busy until the last process in it is reaped
            os.rmdir(path)
            return True
    wait_for(removed, "an empty cgroup")


def test_a_grandchild_elsewhere(netns, cgroup):
    """Forked twice, in a session and a cgroup of its own; it ends before the command."""
    done = leak(netns, "eof_read", "hangs_up", *NO_GRACE, descend=True, cgroup=cgroup,
                outlived=False, seconds=LONG)
    assert done.status == 1, done
    only_flag(done, "CLOSE_WAIT", "eof_read", netns)


def test_a_grandchild_elsewhere_left_it_to_the_exit(netns, cgroup):
    done = leak(netns, "eof_read", "hangs_up", *NO_THRESHOLD, descend=True, cgroup=cgroup,
                outlived=False, seconds=0.3)
    assert done.status == 1 and len(done.flags) == 1, done


def test_a_grandchild_that_outlives_the_command(netns, cgroup):
    """Its sockets at that time count, and run does not wait for its end."""
    with Peer(netns, 4, "hangs_up") as server:
        command = leaky("eof_read", **server.where, descend=True, cgroup=cgroup, outlived=True,
                        seconds=1.6, wait=True)
        with Run(command, *NO_GRACE, preexec=netns.enter) as running:
            said = json.loads(running.line())
            done = running.wait()
            os.kill(said["pid"], 0)  # it is still there
            running.tell()
            assert running.process.stdout.read() == b"", "until it ended"
    assert done.status == 1 and len(done.flags) == 1, done
    assert [(holder["pid"], holder["fd"], holder["comm"]) for holder in done.flags[0]["holders"]
            ] == [(said["pid"], said["fd"], "python3")], done


EXEC_IN_A_THREAD = """
import os, signal, sys, threading
threading.Thread(target=os.execv, args=(sys.argv[1], sys.argv[1:])).start()
signal.pause()
"""


def test_exec_from_a_thread_that_does_not_lead(netns):
    """The thread becomes the leader, and the kernel ends the one that was."""
    with Peer(netns, 4, "hangs_up") as server:
        leaks = leaky("eof_read", **server.where, seconds=LONG)
        done = run([*python(EXEC_IN_A_THREAD), *leaks], *NO_GRACE, preexec=netns.enter)
    assert done.status == 1, done
    only_flag(done, "CLOSE_WAIT", "eof_read", netns)


def test_as_another_user(netns):
    """Its leaks are found like anyone's."""
    done = leak(netns, "eof_read", "hangs_up", *NO_GRACE, "--user", "nobody", seconds=LONG)
    assert done.status == 1, done
    assert only_flag(done, "CLOSE_WAIT", "eof_read", netns)["owner"]["uid"] == 65534


# --- the report ---------------------------------------------------------------------------------

def test_text_goes_to_stderr(netns):
    with Peer(netns, 4, "hangs_up") as server:
        done = run(leaky("eof_read", **server.where, seconds=0.3), report="text",
                   preexec=netns.enter)
    assert done.status == 1 and len(done.stdout.splitlines()) == 1, done
    assert "CLOSE_WAIT" in done.stderr and str(done.said["pid"]) in done.stderr, done


def test_json_without_a_file_goes_to_stderr(netns):
    with Peer(netns, 4, "hangs_up") as server:
        done = run(leaky("eof_read", **server.where, seconds=0.3), "--json", report="text",
                   preexec=netns.enter)
    kinds = [json.loads(line)["type"] for line in done.stderr.splitlines() if line[:1] == "{"]
    assert kinds == ["start", "flag", "end"] and len(done.stdout.splitlines()) == 1, done


def test_the_report_counts(netns):
    """`start` says by which rules, `end` how it went."""
    done = leak(netns, "eof_read", "hangs_up", seconds=LONG)
    thresholds = done.objects[0]["thresholds_ns"]
    assert thresholds["CLOSE_WAIT"] == thresholds["FIN_WAIT_2"] == 10**9
    assert done.objects[-1]["seconds"] >= 1.6


MANY = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
held = []
for _ in range(40):
    held.append(socket.create_connection(listener.getsockname()))
    listener.accept()[0].close()
print("ready", flush=True)
sys.stdin.readline()
print("alive", flush=True)
sys.exit(7)
"""


@pytest.fixture
def page(tmp_path):
    """A file system with room for one page."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


def test_the_report_cannot_be_written(netns, page):
    """The command runs to its end; then the failure is reported."""
    with Run(python(MANY), "--json", "-o", str(page / "report"), "--flag", "CLOSE_WAIT=100ms",
             report="text", preexec=netns.enter) as running:
        assert running.line() == "ready"
        time.sleep(0.5)
        assert running.process.poll() is None
        running.tell()
        assert running.line() == "alive"
        done = running.wait()
    assert (page / "report").stat().st_size == 4096
    assert done.status == 125 and done.stderr.count("\n") == 1, done
    assert "writing to" in done.stderr, done


def test_a_leak_is_found_without_a_reader(netns):
    """The report is lost; the status is not."""
    with Peer(netns, 4, "hangs_up") as server:
        with patience.start([BINARY, "run", "--", *leaky("eof_read", **server.where, wait=True)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, preexec_fn=netns.enter) as process:
            assert process.stdout.readline()
            process.stderr.close()
            time.sleep(0.5)
            patience.communicate(process, b"\n")
            assert process.returncode == 1
