"""Messages are true: the named processes, the reason of the end, the file that could not be opened."""
import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess

import pytest

from lib import patience
from lib.child import Child
from lib.netns import Netns, ip_batch, sysctl
from lib.run import PYTHON
from lib.tracer import BINARY, Tracer

pytestmark = pytest.mark.hidden_events

NOBODY = 65534


# --- refused, or unreachable ------------------------------------------------------------------

FAMILIES = {4: (socket.AF_INET, "10.77.0.1/24", "10.77.0.2"),
            6: (socket.AF_INET6, "fd77::1/64", "fd77::2")}


def nobody_answers(child, family):
    """A link without other hosts."""
    kind, ours, theirs = FAMILIES[family]
    netns = Netns.create()
    ip_batch("link add here type veth peer name there", "link set there up")
    if family == 6:
        sysctl("ipv6.conf.here.accept_dad", 0)
    ip_batch("link set here up", f"addr add {ours} dev here" + (" nodad" if family == 6 else ""))
    for name, value in (("mcast_solicit", 1), ("retrans_time_ms", 50)):
        sysctl(f"ipv{family}.neigh.here.{name}", value)
    child.tell(netns.inum)
    child.told()
    with socket.socket(kind) as client:
        no_answer = client.connect_ex((theirs, 80))
    with socket.socket(kind) as client:
        refused = client.connect_ex((ours.split("/")[0], 81))
    return no_answer, refused


@pytest.mark.parametrize("family", FAMILIES)
def test_refused_only_if_the_peer_refused(family):
    child = Child(lambda child: nobody_answers(child, family))
    inum = child.told()
    with Tracer("--netns", f"/proc/{child.pid}/ns/net") as tracer:
        child.tell()
        assert child.result() == (errno.EHOSTUNREACH, errno.ECONNREFUSED)
        objects = tracer.stop()
    ended = {each["remote"]["port"]: each for each in objects
             if each["type"] == "connection" and each["netns"] == inum}
    assert ended[80]["ended"] == "unreachable" and ended[80]["closed_by"] == "none"
    assert ended[81]["ended"] == "refused" and ended[81]["closed_by"] == "remote"
    whys = {each["remote"]["port"]: each["why"] for each in objects
            if each["type"] == "transition" and each["to"] == "CLOSED" and each["netns"] == inum}
    assert whys == {80: "unreachable", 81: "refused"}


# --- TPROXY -----------------------------------------------------------------------------------

RULES = """
table ip divert {
  chain prerouting {
    type filter hook prerouting priority mangle;
    tcp dport 80 tproxy to 127.0.0.1:3128 meta mark set 1 accept
  }
}
"""
IP_TRANSPARENT = 19


def diverted(child):
    """A peer in another namespace connects to port 80 of some address; we listen on 3128."""
    netns = Netns.create()
    with netns.inside():
        far = Netns.create()
    ip_batch("link add near type veth peer name far")
    subprocess.run(["ip", "link", "set", "far", "netns", f"/proc/{os.getpid()}/fd/{far.fd}"],
                   check=True)
    ip_batch("link set near up", "addr add 10.78.0.1/24 dev near",
             "rule add fwmark 1 lookup 100", "route add local 0.0.0.0/0 dev lo table 100")
    done = subprocess.run(["nft", "-f", "-"], input=RULES, text=True, capture_output=True,
                          check=False)
    if done.returncode != 0:
        return f"no TPROXY: {done.stderr}"
    with far.inside():
        ip_batch("link set far up", "addr add 10.78.0.2/24 dev far",
                 "route add default via 10.78.0.1")
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_IP, IP_TRANSPARENT, 1)
        listener.bind(("127.0.0.1", 3128))
        listener.listen()
        with far.inside():
            client = socket.create_connection(("192.0.2.1", 80))
        child.tell(netns.inum)
        child.told()
        client.close()
    return ""


@pytest.mark.skipif(not shutil.which("nft"), reason="needs nft")
def test_the_listener_is_that_of_tproxy():
    child = Child(diverted)
    kind = child.told()
    if isinstance(kind, tuple):
        assert kind[0] == "result", kind
        pytest.skip(kind[1])
    with subprocess.Popen([BINARY, "leaks", "--json", "--netns", str(kind), "--flag",
                           "ACCEPT=1ms"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as leaks:
        text, said = patience.communicate(leaks)
    done = patience.run([BINARY, "leaks", "--netns", str(kind), "--flag", "ACCEPT=1ms"])
    child.tell()
    assert child.result() == ""
    assert b'"flag":"ACCEPT"' in text and b'"port":3128' in text, (text, said)
    assert b'"local":{"addr":"192.0.2.1","port":80}' in text, "where the peer meant to connect"
    assert b"queue of port 3128 (TPROXY redirects port 80 to it)" in done.stdout, done.stdout


# --- what may not be opened -------------------------------------------------------------------

def as_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def test_a_namespace_that_may_not_be_opened_says_so(tmp_path):
    done = patience.run([BINARY, "trace", "--netns", "/proc/1/ns/net"], preexec_fn=as_nobody)
    said = done.stderr.decode()
    assert done.returncode == 2 and said.count("\n") == 1
    assert "cannot open /proc/1/ns/net: Permission denied" in said
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o700)
    (locked / "ns").touch()
    done = patience.run([BINARY, "trace", "--netns", locked / "ns"], preexec_fn=as_nobody)
    assert done.returncode == 2 and b"Permission denied" in done.stderr


# --- readers that stall, and readers that go --------------------------------------------------

@contextlib.contextmanager
def full_pipe():
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(theirs, bytes(4096))
    os.set_blocking(theirs, True)
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


def waits_for_signals(pid):
    """It blocks those that end it, and not all, as it does for a moment when it starts a thread."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        blocked = next(line.split()[1] for line in file if line.startswith("SigBlk:"))
    return all((int(blocked, 16) >> (number - 1) & 1) == wanted
               for number, wanted in ((signal.SIGTERM, 1), (signal.SIGALRM, 0)))


@pytest.mark.parametrize("command", ["trace", "stats", "leaks"])
def test_ends_although_stdout_and_stderr_stall(command, tmp_path):
    """2>&1 into a pipe whose reader stalls: the last messages have no room."""
    with full_pipe() as pipe:
        options = ["--watch", "100ms"] if command == "leaks" else []
        ready = ["--ready-file", str(tmp_path / "ready")] if command != "leaks" else []
        with subprocess.Popen([BINARY, command, "--verbose", *options, *ready, "--netns", "self"],
                              stdout=pipe, stderr=pipe) as tracer:
            if ready:
                patience.wait_for((tmp_path / "ready").exists, "the ready file",
                                  lambda: patience.work(tracer.pid))
            else:
                patience.wait_for(lambda: waits_for_signals(tracer.pid), "its signals to be blocked",
                                  lambda: patience.work(tracer.pid))
            tracer.send_signal(signal.SIGTERM)
            assert patience.ended(tracer) in (0, 2)


def test_a_fifo_that_was_reopened_is_watched_again(tmp_path):
    fifo, ready = tmp_path / "fifo", tmp_path / "ready"
    os.mkfifo(fifo)
    with subprocess.Popen([BINARY, "trace", "--json", "--only", "flag", "--netns", "self", "-o",
                           fifo, "--ready-file", ready], stderr=subprocess.PIPE) as tracer:
        first = os.open(fifo, os.O_RDONLY)
        patience.wait_for(ready.exists, "the ready file")
        os.rename(fifo, tmp_path / "old")
        os.mkfifo(fifo)
        second = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        tracer.send_signal(signal.SIGHUP)
        # The old one has no writer any more.
        patience.wait_for(lambda: has_no_writer(first), "the old FIFO to be closed")
        os.close(first)
        assert tracer.poll() is None, "it goes on in the new one"
        os.close(second)
        assert patience.ended(tracer) == 0, "nobody reads the new one"


def has_no_writer(fd):
    os.set_blocking(fd, False)
    try:
        while data := os.read(fd, 1 << 16):
            pass
    except BlockingIOError:
        return False
    return data == b""


# --- clocks -----------------------------------------------------------------------------------

@pytest.mark.parametrize("offset", [100000, -1000])
def test_a_traced_process_in_another_time_namespace(offset):
    if offset < 0 and -offset > patience.time.monotonic():
        pytest.skip("this machine has not been up for so long")
    source = ("import socket, sys, time\n"
              "l = socket.create_server(('127.0.0.1', 0))\n"
              "c = socket.create_connection(l.getsockname()); s, _ = l.accept(); c.close()\n"
              "print(l.getsockname()[1], flush=True); sys.stdin.read(1)\n")
    with subprocess.Popen(["unshare", "--fork", "-T", "--monotonic", str(offset), "--", PYTHON,
                           "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        began = patience.time.monotonic()
        port = int(holder.stdout.readline())
        with Tracer("--netns", "self", "--lport", port, "--flag", "CLOSE_WAIT=1ms") as tracer:
            tracer.wait_for(lambda objects: any(each["type"] == "flag" for each in objects),
                            "a flag")
            objects = tracer.stop()
        flag = next(each for each in objects if each["type"] == "flag")
        most = (patience.time.monotonic() - began + 1) * 1e9
        assert flag["dwell_ns"] < most and (flag["at_most_ns"] or 0) < most, flag
        patience.communicate(holder, b"\n")


# CLOCK_BOOTTIME steps by an hour once the file is there, as after a suspension of the host.
SUSPENDED = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_BOOTTIME && access(STEP, F_OK) == 0)
        now->tv_sec += 3600;
    return failed;
}
"""
HOUR = 3600 * 10**9


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_a_suspension_is_told_where_it_happened(tmp_path):
    shim, step, kept = tmp_path / "shim.so", tmp_path / "step", tmp_path / "kept"
    subprocess.run(["gcc", "-shared", "-fPIC", f'-DSTEP="{step}"', "-x", "c", "-", "-o", shim],
                   input=SUSPENDED.encode(), check=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with Tracer("--netns", "self", "--lport", port, "--record", kept,
                    env={"LD_PRELOAD": str(shim)}) as tracer:
            client = socket.create_connection(("127.0.0.1", port))
            server, _ = listener.accept()
            # A dwell whose event is still in the ring at the step may span the step.
            tracer.wait_for(lambda objects: any(each.get("to") == "ESTABLISHED" for each in objects),
                            "the connection")
            step.touch()
            tracer.wait_for(lambda objects: any(each["type"] == "clock" for each in objects),
                            "a clock object, unless it is linked statically")
            client.close()
            assert server.recv(1) == b""
            server.close()
            objects = tracer.stop()
            with open(tracer.output, "rb") as file:
                printed = file.read()
    clock = next(each for each in objects if each["type"] == "clock")
    assert abs(clock["suspended_ns"] - HOUR) < 10**6
    errors = {each["from"]: each["error_ns"] for each in objects
              if each["type"] == "transition" and each["role"] == "server"}
    assert errors["ESTABLISHED"] == clock["suspended_ns"], errors
    assert errors["CLOSE_WAIT"] == 0 and errors["SYN_RECEIVED"] == 0, errors
    assert patience.run([BINARY, "replay", kept, "--json"]).stdout == printed
