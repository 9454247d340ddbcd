"""Connections that are not accepted: their state, their queue, and the processes that should accept."""
import os
import random
import re
import socket
import subprocess
import sys

import pytest

from lib.child import Child
from lib.clock import SECOND, now
from lib.conn import cookie_of
from stuck.queues import (connect, families, flags, holding, listen, look, netns,  # noqa: F401
                          release, remote_port, reset, ripen)

pytestmark = pytest.mark.hidden_events

FIELD_CASE = """
import socket, sys, time
listener = socket.create_server(('127.0.0.1', int(sys.argv[1])), backlog=2)
held = [socket.create_connection(listener.getsockname()) for _ in range(3)]
print('ready', flush=True); time.sleep(100000)
"""


def queue_in_ss(port):
    """Recv-Q and Send-Q of the listeners at a port, as `ss -ltn` has them."""
    done = subprocess.run(["ss", "-ltnH", f"sport = :{port}"], capture_output=True, text=True,
                          check=True)
    return sorted(tuple(map(int, line.split()[1:3])) for line in done.stdout.splitlines())


def test_three_of_two(netns):
    """The case that was reported: all are ESTABLISHED, and nothing was said."""
    port = random.randrange(20000, 30000)
    with subprocess.Popen([sys.executable, "-c", FIELD_CASE, str(port)], text=True,
                          stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout.readline() == "ready\n"
            ripen()
            got, text = flags(netns), look(netns)
        finally:
            server.kill()
    assert len(got) == 3
    for item in got:
        assert (item["flag"], item["state"], item["cause"]) == \
            ("ACCEPT", "ESTABLISHED", "not_accepted"), item
        assert [each["pid"] for each in item["holders"]] == [server.pid], item
        assert item["queue"]["length"] == 3 and item["queue"]["backlog"] == 2, item
        assert item["owner"] is None and item["role"] == "server", item
        assert item["local"]["port"] == port, item
    assert "queue 3 of backlog 2: full" in text and f"[{server.pid}]" in text, text
    for wrong in ("close", "still open", "descriptor"):
        assert wrong not in text, text


# As nginx with "reuseport": each worker has both listeners, and waits for its own.
WORKERS = """
import os, select, socket, sys, time
def listener():
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(('127.0.0.1', int(sys.argv[1])))
    made.listen(64)
    return made
listeners, (ended, alive) = [listener(), listener()], os.pipe()
def worker(own):
    if pid := os.fork():
        return pid
    os.close(alive)
    polled = select.epoll()
    polled.register(own, select.EPOLLIN)
    polled.register(ended, select.EPOLLHUP)
    os.write(ready, b'.')
    accepted = []
    while all(fd != ended for fd, _ in polled.poll()):
        if own is listeners[0]:
            accepted.append(own.accept())
        else:
            select.select([ended], [], [])
    os._exit(0)
begun, ready = os.pipe()
pids = [worker(own) for own in listeners]
os.read(begun, 1), os.read(begun, 1)
print(*pids, flush=True)
time.sleep(100000)
"""


@pytest.mark.parametrize("options,named", [((), [0, 1]), (("--where",), [1])], ids=["all", "where"])
def test_workers_that_poll_their_own_listener(netns, options, named):
    """Not the one that accepts from another listener of the port; with --where only the one that polls this one."""
    port, clients = random.randrange(20000, 30000), []
    with subprocess.Popen([sys.executable, "-c", WORKERS, str(port)], text=True,
                          stdout=subprocess.PIPE) as server:
        try:
            pids = list(map(int, server.stdout.readline().split()))
            for _ in range(32):
                clients.append(socket.create_connection(("127.0.0.1", port)))
            ripen()
            text = look(netns, *options)
        finally:
            server.kill()
    who = text.split(" has not accepted them")[0].split("; ")[-1]
    assert who.startswith("one of ") == (len(named) > 1), text
    assert [number for number in (0, 1) if f"[{pids[number]}]" in who] == named, text


@families
def test_whatever_the_state(netns, family):
    """Also connections that the peer has closed, or reset, which no list of sockets shows."""
    with listen(family) as listener:
        began = now()
        clients = {name: connect(listener) for name in ("ESTABLISHED", "CLOSE_WAIT", "CLOSED")}
        ports = {remote_port(sock): name for name, sock in clients.items()}
        queued = now()
        clients["CLOSE_WAIT"].send(b"5 by.")
        clients["CLOSE_WAIT"].close()
        reset(clients["CLOSED"])
        ripen()
        got = flags(netns)
        assert {item["remote"]["port"]: item["state"] for item in got} == ports
        length, backlog = queue_in_ss(listener.getsockname()[1])[0]
        for item in got:
            assert item["flag"] == "ACCEPT" and item["family"] == f"ipv{family}", item
            assert item["holders"] == [{"pid": os.getpid(), "fd": listener.fileno(),
                                        "comm": item["holders"][0]["comm"],
                                        "state": item["holders"][0]["state"]}], item
            assert (item["queue"]["length"], item["queue"]["backlog"]) == (length, backlog) \
                == (3, 16), item
            assert item["queue"]["listener"] == cookie_of(listener), item
            assert item["local"]["port"] == listener.getsockname()[1], item
            since, error = item["mono_ns"] - item["dwell_ns"], item["error_ns"]
            assert began - error <= since <= queued + error, item
        by_state = {item["state"]: item for item in got}
        assert by_state["CLOSE_WAIT"]["unread_bytes"] == 5
        text = look(netns)
        assert "3 connections wait" in text and "1 closed by the peer, 1 reset" in text, text
        assert "CLOSE_WAIT" not in text.replace("(1 closed by the peer, 1 reset", ""), text


def test_its_cookie_is_that_of_ss(netns):
    with listen(4) as listener, connect(listener):
        ripen()
        item, = flags(netns)
        done = subprocess.run(["ss", "-tnHe", f"sport = :{listener.getsockname()[1]}"],
                              capture_output=True, text=True, check=True)
        assert f"sk:{item['cookie']} " in done.stdout + " ", done.stdout
        accepted = listener.accept()[0]
        assert cookie_of(accepted) == item["cookie"]
        accepted.close()


def test_accepted_and_young_connections_are_no_leak(netns):
    with listen(4) as listener, connect(listener):
        accepted = listener.accept()[0]
        ripen()
        with connect(listener):
            assert flags(netns, status=0, asked=("--flag", "ACCEPT=10s")) == []
            accepted.close()


def test_a_master_is_never_named(netns):
    """`holders` has all holders of the listener; the workers should accept."""
    def master(child):
        listener = listen(4)
        workers = [Child(holding(listener, child.channel), b"worker") for _ in range(3)]
        for worker in workers:
            worker.told()
        child.tell((listener.getsockname()[1], [worker.pid for worker in workers]))
        child.told()
        release(*workers)

    boss = Child(master, b"master")
    port, workers = boss.told()
    with socket.create_connection(("127.0.0.1", port)):
        ripen()
        item, = flags(netns)
        text = look(netns)
    release(boss)
    assert sorted(each["pid"] for each in item["holders"]) == sorted([boss.pid, *workers])
    assert item["queue"]["should_accept"] == sorted(workers)
    assert f"[{boss.pid}]" not in text and f"-p {boss.pid}" not in text, text
    assert f"worker[{min(workers)}]" in text, text


def test_who_accepted_before_is_who_should(netns):
    """Of two processes that hold a listener, unrelated, the one that serves its connections."""
    listener = listen(4)

    def serves(child):
        accepted = listener.accept()[0]
        child.tell()
        child.told()
        accepted.close()

    server = Child(serves, b"server")
    first = connect(listener)
    server.told()
    idle = Child(holding(listener, first), b"idle")
    idle.told()
    with connect(listener):
        ripen()
        item, = flags(netns)
    assert {os.getpid(), server.pid, idle.pid} == {each["pid"] for each in item["holders"]}
    assert item["queue"]["should_accept"] == [server.pid], item
    release(server, idle)
    first.close()
    listener.close()


def test_a_listener_of_a_service_that_does_not_run_yet(netns):
    """Socket activation: only the manager holds it."""
    with listen(6, dual=True) as listener, connect(listener, 4), connect(listener, 6):
        ripen()
        got = flags(netns)
        assert {item["family"] for item in got} == {"ipv4", "ipv6"}
        assert all(item["queue"]["should_accept"] == [os.getpid()] for item in got), got
        assert "or still starting" in look(netns)


@families
def test_a_queue_each(netns, family):
    """SO_REUSEPORT: one of two processes hangs, and only it is named."""
    first = listen(family, reuse_port=True)

    def hangs(child):
        other = listen(family, port=first.getsockname()[1], reuse_port=True)
        first.close()
        child.tell()
        child.told()
        other.close()

    hung = Child(hangs, b"hung")
    hung.told()
    first.setblocking(False)
    clients, served = [], []
    while len(clients) - len(served) < 3:
        clients.append(connect(first))
        try:
            served.append(first.accept()[0])
        except BlockingIOError:
            pass
    ripen()
    got, text = flags(netns), look(netns)
    waiting = len(clients) - len(served)
    assert len(got) == waiting and all(
        [each["pid"] for each in item["holders"]] == [hung.pid] for item in got), got
    assert {(item["queue"]["length"], item["queue"]["backlog"]) for item in got} == {(waiting, 16)}
    assert (waiting, 16) in queue_in_ss(first.getsockname()[1])
    assert f"hung[{hung.pid}]" in text and f"[{os.getpid()}]" not in text, text
    release(hung)
    for sock in [first, *clients, *served]:
        sock.close()


def test_dropped_syns_are_told(netns):
    """Beyond backlog + 1 the kernel drops SYNs, and counts them."""
    with listen(4, backlog=1) as listener:
        clients = [connect(listener) for _ in range(2)]
        late = socket.socket()
        late.setblocking(False)
        late.connect_ex(listener.getsockname())
        ripen()
        got, text = flags(netns), look(netns)
        assert {item["queue"]["length"] for item in got} == {2}
        dropped = got[0]["queue"]["syns_dropped"]
        assert dropped >= 1 and got[0]["queue"]["netns_listen_overflows"] >= 1, got[0]
        assert re.search(r"\d+ SYNs? dropped at this listener, in the whole network namespace: "
                         r"\d+ ListenOverflows, \d+ SYN cookies", text), text
        for sock in [late, *clients]:
            sock.close()


MANY = 4000


def test_a_queue_of_thousands(netns):
    """All of them are found, in one look."""
    with open("/proc/sys/net/core/somaxconn", "w", encoding="ascii") as file:
        file.write(str(MANY + 1))
    with listen(4, backlog=MANY + 1) as listener:
        child = Child(lambda child: _connect_many(child, listener), b"clients")
        child.told()
        ripen()
        began = now()
        got = flags(netns)
        took = now() - began
        assert len({item["cookie"] for item in got}) == len(got) == MANY
        assert {item["queue"]["length"] for item in got} == {MANY}
        assert took < 60 * SECOND
        text = look(netns)
        assert f"queue {MANY} of backlog {MANY + 1}" in text.replace(",", ""), text
        release(child)


def _connect_many(child, listener):
    import resource
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = [connect(listener) for _ in range(MANY)]
    child.tell()
    child.told()
    del held
