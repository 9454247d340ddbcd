"""MPTCP: the stuck socket is the MPTCP socket, which ss shows with -M; its subflow may be ESTABLISHED."""
import contextlib
import errno
import json
import os
import select
import socket
import subprocess
import sys
import time

import pytest

from lib import patience
from lib.clock import MS, now
from lib.netns import Netns, has_sysctl, ip_batch
from lib.patience import wait_for
from lib.tracer import BINARY, Tracer, parse_line

MPTCP = 262
THRESHOLD_NS = 300 * MS
ASKED = ("--flag", "CLOSE_WAIT=300ms", "--flag", "FIN_WAIT_2=300ms", "--flag", "CLOSED=300ms")
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


def enabled():
    with open("/proc/sys/net/mptcp/enabled", encoding="ascii") as file:
        return file.read().strip() == "1"


pytestmark = [
    pytest.mark.hidden_events,
    pytest.mark.skipif(not has_sysctl("mptcp.enabled"), reason="this kernel has no MPTCP"),
    pytest.mark.skipif(has_sysctl("mptcp.enabled") and not enabled(),
                       reason="net.mptcp.enabled is 0")]


@pytest.fixture
def netns():
    before = Netns.current()
    made = Netns.create()
    yield made
    before.enter()
    before.close()
    made.close()


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def family(request):
    return request.param


def make(family, protocol=MPTCP):
    return socket.socket(FAMILY[family], socket.SOCK_STREAM, protocol)


class Pair:
    """Both ends of a connection, and when the client closed or shut it down: between two times."""

    def __init__(self, stack, family, client=MPTCP, server=MPTCP):
        self.listener = stack.enter_context(make(family, server))
        self.listener.bind((LOOPBACK[family], 0))
        self.listener.listen(5)
        self.client = stack.enter_context(make(family, client))
        self.client.connect(self.listener.getsockname())
        self.server = stack.enter_context(self.listener.accept()[0])
        self.began = None
        self.server.sendall(b"!")  # a first packet with data makes it fully established
        assert self.client.recv(1) == b"!"

    def end(self, doing):
        before = now()
        doing()
        self.began = (before, now())
        return self

    def ends(self, sock):
        return tuple(sock.getsockname()[:2]), tuple(sock.getpeername()[:2])


def ss(state):
    """Local and remote address of the MPTCP sockets in this state."""
    done = subprocess.run(["ss", "-HMan", "state", state], text=True, capture_output=True,
                          check=True)
    return sorted(tuple(line.split()[-2:]) for line in done.stdout.splitlines() if line)


def ss_has(state, count=1):
    wait_for(lambda: len(ss(state)) == count, f"{count} MPTCP sockets in {state}")


def look(netns, *options, status=None):
    """All objects of one look."""
    done = subprocess.run([BINARY, "leaks", "--json", "--netns", str(netns.inum), *ASKED, *options],
                          capture_output=True, check=False, timeout=patience.HOPELESS_S)
    assert status is None or done.returncode == status, done.stderr.decode()
    objects = [parse_line(line) for line in done.stdout.splitlines(keepends=True)]
    assert objects[-1]["mptcp_not_judged"] == 0
    return objects


def leaks(netns, *options, status=None):
    return [each for each in look(netns, *options, status=status) if each["type"] == "flag"]


def ends_of(flag):
    return tuple((flag[side]["addr"], flag[side]["port"]) for side in ("local", "remote"))


def ss_ends(flag):
    return tuple(f"[{addr}]:{port}" if ":" in addr else f"{addr}:{port}"
                 for addr, port in ends_of(flag))


def holders(flag):
    """Without our children that had not executed their program yet."""
    return {(each["pid"], each["fd"]) for each in flag["holders"]
            if os.path.exists(f"/proc/{each['pid']}")}


def ripen(*pairs):
    youngest = max(pair.began[1] for pair in pairs)
    time.sleep(max(0, youngest + THRESHOLD_NS + 50 * MS - now()) / 1e9)


def test_a_server_that_does_not_close(netns, family):
    with contextlib.ExitStack() as stack:
        pair = Pair(stack, family)
        there = pair.ends(pair.server)
        pair.end(pair.client.close)
        ss_has("close-wait")
        ripen(pair)
        before = now()
        flags = leaks(netns, status=1)
        after = now()
        stuck = [each for each in flags if each["cause"] != "orphaned"]
        assert len(stuck) == 1, flags
        flag = stuck[0]
        assert (flag["state"], flag["flag"], flag["mptcp"]) == ("CLOSE_WAIT", "CLOSE_WAIT", True)
        assert (flag["cause"], flag["unread_bytes"], flag["unsent_bytes"]) == ("eof_read", 0, 0)
        assert ends_of(flag) == there
        assert [ss_ends(flag)] == ss("close-wait")
        assert holders(flag) == {(os.getpid(), pair.server.fileno())}
        assert flag["error_ns"] is None
        assert flag["dwell_ns"] <= after - pair.began[0]
        assert before - pair.began[1] <= flag["at_most_ns"]
        orphans = [each for each in flags if each["cause"] == "orphaned"]
        assert [ss_ends(each) for each in orphans] == ss("fin-wait-2")
        assert all(each["mptcp"] and each["state"] == "FIN_WAIT_2" for each in orphans)
        pair.server.close()
        ss_has("close-wait", 0)
        assert not leaks(netns, status=0)


def test_a_client_that_is_half_closed(netns, family):
    with contextlib.ExitStack() as stack:
        pair = Pair(stack, family)
        pair.end(lambda: pair.client.shutdown(socket.SHUT_WR))
        ss_has("fin-wait-2")
        ripen(pair)
        flags = {each["state"]: each for each in leaks(netns, status=1)}
        assert set(flags) == {"FIN_WAIT_2", "CLOSE_WAIT"}
        assert flags["FIN_WAIT_2"]["cause"] == "half_closed"
        for state, sock in (("FIN_WAIT_2", pair.client), ("CLOSE_WAIT", pair.server)):
            assert flags[state]["mptcp"]
            assert holders(flags[state]) == {(os.getpid(), sock.fileno())}
            assert flags[state]["dwell_ns"] <= now() - pair.began[0]
            assert flags[state]["at_most_ns"] >= THRESHOLD_NS


def test_one_that_fell_back_is_judged_as_its_twin(netns, family):
    with contextlib.ExitStack() as stack:
        pairs = [Pair(stack, family, client=protocol, server=0) for protocol in (MPTCP, 0)]
        for pair in pairs:
            pair.server.sendall(b"bye")
            pair.end(pair.server.close)
        ss_has("close-wait")
        ripen(*pairs)
        for left in (3, 2):
            flags = {ends_of(each): each for each in leaks(netns, status=1)
                     if each["state"] == "CLOSE_WAIT"}
            for pair in pairs:
                flag = flags.pop(pair.ends(pair.client))
                assert (flag["cause"], flag["unread_bytes"]) == ("data_unread", left)
                assert flag.get("mptcp", False) == (pair is pairs[0])
                assert holders(flag) == {(os.getpid(), pair.client.fileno())}
                assert len(pair.client.recv(1)) == 1
            assert not flags


def test_data_that_the_peer_does_not_take(netns, family):
    with contextlib.ExitStack() as stack:
        pair = Pair(stack, family)
        pair.server.setblocking(False)
        pair.end(lambda: pair.client.shutdown(socket.SHUT_WR))
        ss_has("close-wait")
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += pair.server.send(b"x" * 65536)
        ripen(pair)
        flag = next(each for each in leaks(netns, status=1) if each["state"] == "CLOSE_WAIT")
        assert flag["cause"] == "sending"
        assert 0 < flag["unsent_bytes"] < sent
        assert flag["unread_bytes"] == 0


def test_honest_ones_are_not_flagged(netns, family):
    with Tracer("--netns", netns.inum, *ASKED) as tracer:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(make(family))
            listener.bind((LOOPBACK[family], 0))
            listener.listen(50)
            for _ in range(30):
                client = stack.enter_context(make(family))
                client.connect(listener.getsockname())
                server = stack.enter_context(listener.accept()[0])
                client.sendall(b"ping")
                assert server.recv(4) == b"ping"
                server.sendall(b"pong")
                client.shutdown(socket.SHUT_WR)
                assert client.recv(4) == b"pong"
                assert server.recv(4) == b""
                server.close()
                assert client.recv(4) == b""
                client.close()
            time.sleep(2 * THRESHOLD_NS / 1e9)
            assert not leaks(netns, status=0)
        objects = tracer.stop()
    assert not [each for each in objects if each["type"] == "flag"]
    assert objects[-1]["mptcp_not_judged"] == 0


def test_a_trace_knows_it_exactly(netns, family):
    with Tracer("--netns", netns.inum, *ASKED) as tracer, contextlib.ExitStack() as stack:
        pair = Pair(stack, family)
        there = pair.ends(pair.server)
        pair.end(pair.client.close)

        def flags(event):
            return [each for each in tracer.objects() if each["type"] == "flag" and
                    each["event"] == event and each["cause"] == "eof_read"]

        wait_for(lambda: flags("raised"), "the flag")
        closing = now()
        pair.server.close()
        closed = now()
        wait_for(lambda: flags("cleared"), "its end")
        (raised,), (cleared,) = flags("raised"), flags("cleared")
        assert raised["mptcp"] and raised["state"] == "CLOSE_WAIT" and raised["error_ns"] == 0
        assert ends_of(raised) == there
        assert raised["owner"]["pid"] == os.getpid()
        begun = raised["mono_ns"] - raised["dwell_ns"]
        # A worker of the kernel handles the DATA_FIN.
        assert pair.began[0] <= begun
        assert closing <= cleared["mono_ns"] <= closed
        assert cleared["mono_ns"] - cleared["dwell_ns"] == begun
        assert cleared["mptcp"] and cleared["error_ns"] == 0


def test_a_descriptor_whose_connection_was_reset(netns, family):
    with Tracer("--netns", netns.inum, *ASKED) as tracer, contextlib.ExitStack() as stack:
        refused = stack.enter_context(make(family))
        refused.setblocking(False)
        assert refused.connect_ex((LOOPBACK[family], 1)) in (errno.EINPROGRESS, errno.ECONNREFUSED)
        pair = Pair(stack, family)
        there = pair.ends(pair.server)
        pair.server.sendall(b"never read")
        wait_for(lambda: select.select([pair.client], [], [], 0)[0], "data that is left unread")
        pair.end(pair.client.close)  # ... makes this a reset
        wait_for(lambda: select.select([pair.server], [], [], 0)[0], "the reset")

        def flags(event):
            return [each for each in tracer.objects() if each["type"] == "flag" and
                    each["event"] == event and each["cause"] == "not_closed"]

        wait_for(lambda: flags("raised"), "the flag")
        objects = look(netns)
        closed = next(each for each in objects[-1]["watched"] if each["flag"] == "CLOSED")
        looked = [each for each in objects if each.get("cause") == "not_closed"]
        # Before 6.4 the kernel does not show whether there were other subflows: the age is unknown.
        assert looked or closed["unknown_age"] == 1
        for found in filter(None, (flags("raised"), looked)):
            assert [ends_of(each) for each in found] == [there]
            assert found[0]["flag"] == found[0]["state"] == "CLOSED" and found[0]["mptcp"]
            assert holders(found[0]) == {(os.getpid(), pair.server.fileno())}
            assert found[0]["dwell_ns"] <= now() - pair.began[0]
        pair.server.close()
        wait_for(lambda: flags("cleared"), "its end")
        assert not [each for each in leaks(netns) if each["cause"] == "not_closed"]


def test_run_counts_sockets_that_its_command_left(netns, tmp_path):
    code = ("import os, socket, sys, time\n"
            "l = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)\n"
            "l.bind(('127.0.0.1', 0)); l.listen(5)\n"
            "c = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)\n"
            "c.connect(l.getsockname()); s = l.accept()[0]; c.close()\n"
            "while s.recv(1): pass\n"
            "if sys.argv[1] == 'closes': s.close()\n"
            "time.sleep(0.5); os._exit(0)\n")
    for case, status in (("leaks", 1), ("closes", 0)):
        done = subprocess.run([BINARY, "run", "--json", "-o", str(tmp_path / case), *ASKED, "--",
                               sys.executable, "-c", code, case],
                              capture_output=True, check=False, timeout=patience.HOPELESS_S)
        assert done.returncode == status, done.stderr.decode()
        flags = [json.loads(line) for line in (tmp_path / case).read_bytes().splitlines()]
        flags = [each for each in flags if each["type"] == "flag"]
        states = {each["state"] for each in flags if each["cause"] != "orphaned"}
        assert states == ({"CLOSE_WAIT"} if status else set())
        assert all(each["mptcp"] for each in flags)
        end = json.loads((tmp_path / case).read_bytes().splitlines()[-1])
        # The client is closed: its FIN_WAIT_2 is orphaned.
        assert {each["state"] for each in end["longest"]} == {"CLOSE_WAIT"}


def has_ip_mptcp():
    return subprocess.run(["ip", "mptcp", "limits"], capture_output=True, check=False).returncode == 0


def test_a_listener_of_the_kernel_has_no_owner(netns):
    if not has_ip_mptcp():
        pytest.skip("this ip(8) knows no MPTCP")
    with Tracer("--netns", netns.inum) as tracer:
        ip_batch("mptcp endpoint add 127.0.0.1 port 4321 signal")
        # An ordinary one beside it.
        with make(4) as listener:
            listener.bind(("127.0.0.1", 4322))
            listener.listen()

            def listening(port):
                return [each for each in tracer.objects() if each["type"] == "transition" and
                        each["to"] == "LISTEN" and each["local"]["port"] == port]

            wait_for(lambda: listening(4321) and listening(4322), "both listeners")
            assert listening(4321)[0]["owner"] is None
            assert listening(4322)[0]["owner"]["pid"] == os.getpid()


def test_one_of_two_subflows_stands_for_both(netns):
    if not has_ip_mptcp():
        pytest.skip("this ip(8) knows no MPTCP")
    ip_batch("addr add 10.77.0.1/32 dev lo", "mptcp limits set subflows 2 add_addr_accepted 2",
             "mptcp endpoint add 10.77.0.1 subflow")
    with Tracer("--netns", netns.inum, *ASKED) as tracer, contextlib.ExitStack() as stack:
        pair = Pair(stack, 4)
        port = pair.listener.getsockname()[1]

        def subflows():
            done = subprocess.run(["ss", "-Htan", "state", "established", "sport", "=", f":{port}"],
                                  text=True, capture_output=True, check=True)
            return done.stdout.splitlines()

        wait_for(lambda: len(subflows()) == 2, "a second subflow")
        there = pair.ends(pair.server)
        pair.end(pair.client.close)
        ss_has("close-wait")
        ripen(pair)
        assert len(subflows()) == 2

        def raised():
            return [each for each in tracer.objects() if each["type"] == "flag" and
                    each["cause"] != "orphaned"]

        wait_for(raised, "the flag")
        for flags in (raised(), [each for each in leaks(netns, status=1)
                                 if each["cause"] != "orphaned"]):
            assert [ends_of(each) for each in flags] == [there]
            assert holders(flags[0]) == {(os.getpid(), pair.server.fileno())}
