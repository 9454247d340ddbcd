"""`tcpdwell run`: it fails for sockets that were left behind, not for slow ones.

Realistic programs: some interpreters close open sockets before they exit (CPython, Perl,
PHP), others do not (node).
"""
import array
import json
import os
import shutil
import socket
import subprocess
import threading

import pytest

from lib import diag, patience
from lib.netns import Netns
from lib.patience import wait_for
from lib.run import FAMILIES, LOOPBACK, Peer, Run, leaky, python, run
from lib.tracer import BINARY

pytestmark = pytest.mark.hidden_events
both_families = pytest.mark.parametrize("family", [4, 6], ids=["ipv4", "ipv6"])


@pytest.fixture
def netns():
    before = Netns.current()
    made = Netns.create()
    before.enter()
    yield made
    for each in (before, made):
        each.close()


DEAD_DESCRIPTORS = """
import os, socket, struct, sys, time
family, address = (socket.AF_INET6, '::1') if sys.argv[1] == '6' else (socket.AF_INET, '127.0.0.1')
listener, held = socket.create_server((address, 0), family=family), []
for _ in range(20):
    c = socket.create_connection(listener.getsockname()[:2]); s, _ = listener.accept()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()
    held.append(c)
time.sleep(float(sys.argv[2]))
if len(sys.argv) > 3:
    for c in held: c.close()
    time.sleep(0.5)
os._exit(0)
"""


@pytest.mark.parametrize("family", ["4", "6"])
def test_dead_descriptors(netns, family):
    """The peer resets 20 connections; nothing closes their descriptors."""
    done = run([*python(DEAD_DESCRIPTORS), family, "1.6"], preexec=netns.enter)
    assert done.status == 1 and len(done.flags) == 20, done
    for flag in done.flags:
        assert (flag["flag"], flag["cause"]) == ("CLOSED", "not_closed"), flag
        assert flag["by_exit"] and flag["before_exit_ns"] == 0 and not flag["slow"], flag
        assert flag["ended"] == "reset_received" and flag["role"] == "client", flag
        assert flag["dwell_ns"] >= 10**9 and flag["error_ns"] == 0, flag


def test_dead_descriptors_that_are_closed_late(netns):
    done = run([*python(DEAD_DESCRIPTORS), "4", "1.6", "close"], preexec=netns.enter)
    assert done.status == 0 and len(done.flags) == 20, done
    assert all(flag["slow"] and not flag["by_exit"] for flag in done.flags), done


def test_dead_descriptors_within_the_threshold(netns):
    done = run([*python(DEAD_DESCRIPTORS), "4", "0.2"], "--flag", "CLOSED=30s",
               preexec=netns.enter)
    assert done.status == 0 and not done.flags, done


HONEST_HALF_CLOSE = """
import socket, sys, threading, time
listener = socket.create_server(('127.0.0.1', 0))
def serve():
    s, _ = listener.accept()
    while s.recv(4096): pass
    time.sleep(float(sys.argv[1])); s.sendall(b'result'); s.close()
threading.Thread(target=serve).start()
c = socket.create_connection(listener.getsockname()); c.sendall(b'job'); c.shutdown(socket.SHUT_WR)
while c.recv(4096): pass
c.close()
"""


@pytest.mark.parametrize("seconds", ["0.2", "1.5", "3"])
def test_an_honest_half_close(netns, seconds):
    """The client says "that was all", the server works, answers, and both close."""
    done = run([*python(HONEST_HALF_CLOSE), seconds], preexec=netns.enter)
    assert done.status == 0, done
    assert all(flag["slow"] for flag in done.flags), done
    longest = {one["state"]: one["dwell_ns"] for one in done.objects[-1]["longest"]}
    assert longest["CLOSE_WAIT"] >= float(seconds) * 10**9 - 50_000_000, longest


# --- interpreters: who closes, and when -----------------------------------------------------------

# connects to argv 1 port argv 2, reads to the end, waits for 1.6 s; with a third argument it closes
# at once
PROGRAMS = {
    "python3": ["-I", "-c", """
import socket, sys, time
c = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while c.recv(100): pass
if len(sys.argv) > 3: c.close()
time.sleep(1.6)
"""],
    "perl": ["-MIO::Socket::INET", "-e", """
our $c = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1]) or die;
while (sysread $c, my $b, 100) {}
close $c if @ARGV > 2;
select undef, undef, undef, 1.6;
"""],
    "php": ["-r", """
$c = fsockopen($argv[1], (int) $argv[2]);
while (!feof($c)) fread($c, 100);
if ($argc > 3) fclose($c);
usleep(1600000);
"""],
    "node": ["-e", """
const [address, port, close] = process.argv.slice(1);
const c = require('net').connect({port: +port, host: address, allowHalfOpen: true});
c.on('data', () => {});
c.on('end', () => { if (close) c.end(); });
setTimeout(() => process.exit(0), 2600);
"""],
}


def program(name, server, *more):
    path = "/usr/bin/python3" if name == "python3" else shutil.which(name)
    if path is None:
        pytest.skip(f"no {name} here")
    probe = patience.run([path, "--version"])
    if probe.returncode != 0:
        pytest.skip(f"{name} does not run here: {probe.stderr}")
    separator = ["--"] if name in ("php", "node") else []
    return [path, *PROGRAMS[name], *separator, server.address, str(server.port), *more]


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_interpreter_leaks(netns, name):
    with Peer(netns, 4, "greets") as server:
        done = run(program(name, server), preexec=netns.enter)
    assert done.status == 1 and len(done.flags) == 1, done
    flag = done.flags[0]
    assert flag["flag"] == "CLOSE_WAIT" and flag["by_exit"] and not flag["slow"], flag
    assert 0 <= flag["before_exit_ns"] < 100_000_000 and flag["dwell_ns"] >= 10**9, flag


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_interpreter_does_not_leak(netns, name):
    with Peer(netns, 4, "greets") as server:
        done = run(program(name, server, "close"), preexec=netns.enter)
    assert done.status == 0 and not done.flags, done


CLOSES_AND_LIVES_ON = """
import socket, sys, time
c = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while c.recv(100): pass
time.sleep(1.6)
c.close()
time.sleep(0.6)
"""


def test_closed_late_and_the_process_lives_on(netns):
    with Peer(netns, 4, "greets") as server:
        done = run([*python(CLOSES_AND_LIVES_ON), server.address, str(server.port)],
                   preexec=netns.enter)
    assert done.status == 0 and len(done.flags) == 1, done
    assert done.flags[0]["slow"] and done.flags[0]["before_exit_ns"] is None, done


# --- whose it is -----------------------------------------------------------------------------------

GIVES_AWAY = """
import array, os, socket, sys, time
c = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while c.recv(100): pass
u = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM); u.connect(sys.argv[3])
u.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [c.fileno()]))])
c.close()
u.recv(1)
time.sleep(1.6)
os._exit(0)
"""


def test_held_only_by_others(netns, tmp_path):
    """Passed to a process outside of the command, and closed."""
    path = str(tmp_path / "socket")
    received = []
    with Peer(netns, 4, "hangs_up") as server, \
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as unix:
        unix.bind(path)
        unix.listen()

        def take():
            passed, _ = unix.accept()
            with passed:
                _, ancillary, _, _ = passed.recvmsg(1, socket.CMSG_SPACE(4))
                received.extend(array.array("i", ancillary[0][2]))
                passed.send(b"x")
        taker = threading.Thread(target=take)
        taker.start()
        done = run([*python(GIVES_AWAY), server.address, str(server.port), path],
                   preexec=netns.enter)
        taker.join()
        for descriptor in received:
            os.close(descriptor)
    assert received and done.status == 0 and not done.flags, done


# --- servers ----------------------------------------------------------------------------------

def come_and_go(netns, family, port):
    """A client that connects and closes; returns when the server's end has its FIN."""
    with netns.inside():
        client = socket.socket(FAMILIES[family])
        with client:
            client.connect((LOOPBACK[family], port))
            local = client.getsockname()[:2]
    with netns.inside():
        wait_for(lambda: diag.state_of((LOOPBACK[family], port), local)
                 == diag.NUMBERS["CLOSE_WAIT"], "CLOSE_WAIT")


def serve(netns, scenario, family):
    """A server with one client that connected and closed; the server's output, and the flags."""
    command = leaky(scenario, address=LOOPBACK[family], wait=True, seconds=1.6)
    with Run(command, "--exit-grace", "30s", preexec=netns.enter) as running:
        said = json.loads(running.line())
        come_and_go(netns, family, said["local"][1])
        return said, running.done(b"\n")


@both_families
def test_a_server_does_not_close_accepted_sockets(netns, family):
    said, done = serve(netns, "accepted", family)
    assert done.status == 1 and len(done.flags) == 1, done
    flag = done.flags[0]
    assert (flag["state"], flag["cause"], flag["role"]) == ("CLOSE_WAIT", "eof_read", "server")
    assert flag["local"] == {"addr": LOOPBACK[family], "port": said["local"][1]}
    assert [holder["pid"] for holder in flag["holders"]] == [said["pid"]]


@both_families
def test_connections_not_accepted_are_no_leak(netns, family):
    _, done = serve(netns, "not_accepted", family)
    assert done.status == 0, done
    assert all(flag["cause"] == "not_accepted" for flag in done.flags), done


# --- the report ------------------------------------------------------------------------------------

def report_of(command, *options, **how):
    done = subprocess.run([BINARY, "run", *options, "--", *command], capture_output=True,
                          text=True, check=False, **how)
    return done.returncode, [line for line in done.stderr.splitlines()
                             if line.startswith("==tcpdwell==")]


def test_the_last_line_where_all_is_well(netns):
    status, lines = report_of(["true"])
    assert status == 0
    assert lines[-1].startswith("==tcpdwell== limits: CLOSE_WAIT 1.000s (100ms at an exit), "), lines
    assert lines[-1].endswith("; longest CLOSE_WAIT: none; longest FIN_WAIT_2: none"), lines


def test_the_last_line_says_whose(netns):
    status, lines = report_of([*python(HONEST_HALF_CLOSE), "1.5"], preexec_fn=netns.enter)
    assert status == 0 and "no leaked sockets" in lines[-2], lines
    assert "slow, but not left behind (no effect on the exit status):" in "\n".join(lines), lines
    assert "longest CLOSE_WAIT: 1.5" in lines[-1] and "(python3[" in lines[-1], lines
    assert "longest FIN_WAIT_2: 1." in lines[-1], lines


def test_quiet_says_nothing_where_all_is_well(netns):
    assert report_of(["true"], "-q") == (0, [])
