"""Rare lifecycles are reported correctly. IPv4 and IPv6."""
import contextlib
import errno
import json
import os
import socket
import subprocess
import sys

import pytest

from lib import diag
from lib.clock import pause
from lib.conn import cookie_of
from lib.netns import Netns, has_sysctl, ip_batch, link_up, sysctl
from lib.patience import run as run_program
from lib.patience import wait_for
from lib.tracer import BINARY, Tracer
from lib.fixture import FAMILY, LOOPBACK, Fixture

pytestmark = pytest.mark.hidden_events

TCP_REPAIR, SO_BINDTODEVICE, IP_RECVERR, IPV6_RECVERR = 19, 25, 11, 25
families = pytest.mark.parametrize("family", (4, 6), ids=("ipv4", "ipv6"))


@contextlib.contextmanager
def netns(up=True):
    made = Netns.create()
    try:
        with made.inside():
            if up:
                link_up("lo")
            yield made
    finally:
        made.close()


@contextlib.contextmanager
def fixture(family):
    """A Fixture whose lives are checked here; this process then leaves its namespace."""
    before, cpus = Netns.current(), os.sched_getaffinity(0)
    try:
        made = Fixture(family)
        yield made
    finally:
        os.sched_setaffinity(0, cpus)
        before.enter()
        before.close()


def told(objects, cookie):
    """The output about one socket: its transitions, and its connection objects."""
    mine = [item for item in objects if item.get("cookie") == cookie]
    return ([item for item in mine if item["type"] == "transition"],
            [item for item in mine if item["type"] == "connection"])


def stream(family):
    return socket.socket(FAMILY[family], socket.SOCK_STREAM)


@families
def test_listen_without_bind_shows_its_port(family):
    with netns() as place, Tracer("--netns", place.inum) as tracer:
        listener = stream(family)
        listener.listen(1)
        cookie, port = cookie_of(listener), listener.getsockname()[1]
        tracer.wait_for(lambda objects: told(objects, cookie)[0], "the listener's line")
        (opened,), _ = told(tracer.objects(), cookie)
        assert opened["to"] == "LISTEN" and opened["local"]["port"] == port
        listener.close()


@families
def test_listen_that_fails_is_no_life(family):
    with netns() as place, Tracer("--netns", place.inum) as tracer:
        first, second = stream(family), stream(family)
        for sock in (first, second):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((LOOPBACK[family], 7777))
        first.listen(1)
        with pytest.raises(OSError, match="in use"):
            second.listen(1)
        failed = cookie_of(second)
        first.close()
        second.listen(1)
        second.close()
        transitions, (end,) = told(tracer.stop(), failed)
        assert [item["to"] for item in transitions] == ["LISTEN", "CLOSED"]
        assert end["life"] == 0


@families
def test_sock_destroy_of_a_listener_is_killed(family):
    with netns() as place, Tracer("--netns", place.inum) as tracer:
        killed, shut = stream(family), stream(family)
        for sock in (killed, shut):
            sock.bind((LOOPBACK[family], 0))
            sock.listen(1)
        address = killed.getsockname()[:2]
        nobody = ({4: "0.0.0.0", 6: "::"}[family], 0)
        if code := diag.destroy(address, nobody):
            pytest.skip(os.strerror(code))
        shut.shutdown(socket.SHUT_RDWR)
        objects = tracer.stop()
        assert told(objects, cookie_of(killed))[1][0]["ended"] == "killed"
        assert told(objects, cookie_of(killed))[1][0]["closer"] is None
        assert told(objects, cookie_of(shut))[1][0]["ended"] == "closed"
        assert told(objects, cookie_of(shut))[1][0]["closer"]["pid"] == os.getpid()


@families
def test_a_restored_socket(family):
    """TCP_REPAIR: connect() and close() send nothing, and the opener is unknown."""
    with netns() as place, Tracer("--netns", place.inum) as tracer:
        sock = stream(family)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        except OSError as error:
            pytest.skip(f"TCP_REPAIR: {error}")
        sock.bind((LOOPBACK[family], 7001))
        sock.connect((LOOPBACK[family], 7002))
        cookie = cookie_of(sock)
        sock.close()
        transitions, (end,) = told(tracer.stop(), cookie)
        assert {item["role"] for item in (*transitions, end)} == {"unknown"}
        assert (end["opened_by"], end["ended"], end["closed_by"]) == ("unknown", "closed", "none")


@families
def test_an_old_error_ends_nothing(family):
    """An ICMP error that IP_RECVERR left in the socket, and FINs both ways after it."""
    with fixture(family) as place, Tracer("--netns", place.netns.inum) as tracer:
        conn = place.server()
        if family == 4:
            conn.sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        else:
            conn.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        cookie = cookie_of(conn.sock)
        conn.flow.send("FA")
        conn.sock.shutdown(socket.SHUT_WR)
        place.peer.unreachable(conn.flow.hear("FA"))  # unread, the error stays in sk_err
        conn.flow.send("A")
        left = conn.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        conn.sock.close()
        objects = tracer.stop()
    assert left == {4: errno.EHOSTUNREACH, 6: errno.ENETUNREACH}[family], "another errno than expected"
    _, (end,) = told(objects, cookie)
    assert (end["ended"], end["closed_by"]) == ("fin", "remote")


@families
def test_a_migrated_request_is_one_connection(family):
    if not has_sysctl("ipv4.tcp_migrate_req"):
        pytest.skip("this kernel does not migrate requests")
    with fixture(family) as place, Tracer("--netns", place.netns.inum) as tracer:
        place.sysctl("tcp_migrate_req", 1)
        place.peer  # the address that is listened on comes with it
        socks = [place.socket() for _ in range(2)]
        for sock in socks:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first = place.listen(sock=socks[0])
        conn = first.half_open()
        place.listen(sock=socks[1])
        first.sock.close()
        conn.hears("SA")  # again: its timer has moved it to the other listener
        conn.flow.send("A")
        server, _ = socks[1].accept()
        cookie, port = cookie_of(server), conn.flow.port
        server.close()
        objects = tracer.stop()
    mine = [item for item in objects if item["type"] == "transition"
            and item["remote"]["port"] == port]
    assert {item["cookie"] for item in mine} == {cookie}
    begun = next(item for item in mine if item["to"] == "ESTABLISHED")
    assert begun["dwell_ns"] > 900_000_000, "half-open since the SYN, not since it moved"


# What a device of its own adds to `ip` commands, by family: addresses that both devices have.
TWO = {4: ("addr add 10.8.0.1/24 dev d{0}", "neigh add 10.8.0.2 lladdr 02:00:00:00:00:0{0} dev d{0}"),
       6: ("addr add fe80::1/64 dev d{0} nodad",
           "neigh add fe80::2 lladdr 02:00:00:00:00:0{0} dev d{0}")}


def connecting(family, device):
    """A client with the same addresses and ports on each device; without an answer."""
    sock = stream(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    if family == 4:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, device.encode())
        sock.bind(("10.8.0.1", 5000))
        sock.connect_ex(("10.8.0.2", 80))
    else:
        scope = socket.if_nametoindex(device)
        sock.bind(("fe80::1", 5000, 0, scope))
        sock.connect_ex(("fe80::2", 80, 0, scope))
    return sock


@families
def test_the_same_four_numbers_on_two_devices(family):
    """SO_BINDTODEVICE, and the scope of link-local addresses: two connections."""
    there = Netns.create()
    with netns() as place:
        path = f"/proc/{os.getpid()}/fd/{there.fd}"
        commands = [] if family == 4 else ["link set lo up"]
        for number in range(2):
            commands += [f"link add d{number} type veth peer name e{number} netns {path}",
                         f"link set d{number} up"]
            commands += [command.format(number) for command in TWO[family]]
        ip_batch(*commands)
        with Tracer("--netns", place.inum) as tracer:
            socks = [connecting(family, f"d{number}") for number in range(2)]
            indices = [socket.if_nametoindex(f"d{number}") for number in range(2)]
            cookies = [cookie_of(sock) for sock in socks]
            tracer.wait_for(lambda objects: all(told(objects, cookie)[0] for cookie in cookies),
                            "both SYN_SENT")
            for sock in socks:
                sock.close()
            objects = tracer.stop()
    there.close()
    for cookie, index in zip(cookies, indices):
        transitions, (end,) = told(objects, cookie)
        assert [item["to"] for item in transitions] == ["SYN_SENT", "CLOSED"]
        assert {item["ifindex"] for item in (*transitions, end)} == {index}
        assert end["local"]["port"] == 5000 and end["life"] == 0


def state_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(") ")[2][0]


GONE_LEADER = """
import ctypes, os, socket, sys, threading, time
family = {4: socket.AF_INET, 6: socket.AF_INET6}[int(sys.argv[1])]
l = socket.socket(family); l.bind((sys.argv[2], 0)); l.listen(5)
c = socket.socket(family); c.connect(l.getsockname()); s, _ = l.accept(); c.close()
def idle():
    time.sleep(600)
for _ in range(3):
    threading.Thread(target=idle).start()
print(os.getpid(), flush=True)
libc = ctypes.CDLL(None)
libc.syscall({"x86_64": 60}.get(os.uname().machine, 93), 0)
"""
SHARED_TABLE = """
import ctypes, os, signal, socket, sys, time
CLONE_FILES = 0x400
family = {4: socket.AF_INET, 6: socket.AF_INET6}[int(sys.argv[1])]
l = socket.socket(family); l.bind((sys.argv[2], 0)); l.listen(5)
c = socket.socket(family); c.connect(l.getsockname()); s, _ = l.accept(); c.close()
libc = ctypes.CDLL(None)
pid = libc.syscall({"x86_64": 56}.get(os.uname().machine, 220), CLONE_FILES | signal.SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    time.sleep(600)
    os._exit(0)
print(os.getpid(), pid, flush=True)
time.sleep(600)
"""


@families
@pytest.mark.parametrize("program", (GONE_LEADER, SHARED_TABLE),
                         ids=("main_thread_gone", "shared_descriptor_table"))
def test_each_holder_once(program, family):
    with netns() as place:
        held = subprocess.Popen([sys.executable, "-c", program, str(family), LOOPBACK[family]],
                                stdout=subprocess.PIPE, text=True)
        pids = list(map(int, held.stdout.readline().split()))
        try:
            if program is GONE_LEADER:
                wait_for(lambda: state_of(pids[0]) == "Z", "the end of its main thread")
            pause(0.1)  # the threshold
            said = run_program([BINARY, "leaks", "--json", "--netns", str(place.inum),
                                "--flag", "CLOSE_WAIT=100ms"])
            objects = [json.loads(line) for line in said.stdout.splitlines()]
            flags = [item for item in objects if item["type"] == "flag"]
            assert len(flags) == 1 and flags[0]["state"] == "CLOSE_WAIT"
            assert sorted(holder["pid"] for holder in flags[0]["holders"]) == sorted(pids)
        finally:
            for pid in pids:
                os.kill(pid, 9)
            held.wait()
            held.stdout.close()
