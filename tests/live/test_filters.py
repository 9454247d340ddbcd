"""Filters: exactly the matching connections, each from its first object to its last.

All tracers run at once over the same traffic; one of them has no filter. The output of a filtered one
must equal that of the unfiltered one about the matching connections.
"""
import contextlib
import os
import socket

import pytest

from lib.child import Child
from lib.netns import Netns
from lib.patience import wait_for
from lib.tracer import Tracer, TracerError
from lib.fixture import FAMILY, LOOPBACK

pytestmark = pytest.mark.hidden_events

HERE, THERE = "here", "there"  # two namespaces
CGROUP_ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")


def _talk(family, port, reset):
    """A listener, a client, a server; the client ends it in a way that leaves no TIME_WAIT."""
    with socket.socket(FAMILY[family], socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK[family], port))
        listener.listen()
        client = socket.create_connection((LOOPBACK[family], port))
        server, _ = listener.accept()
        client.send(b"ping")
        server.recv(4)
        if not reset:
            client.shutdown(socket.SHUT_WR)
            server.recv(1)
        for end in (client, server):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        server.close()


def _cgroup():
    """A new cgroup v2 directory, or None if the host has no writable cgroup2."""
    for root in CGROUP_ROOTS:
        path = os.path.join(root, f"tcpdwell-test-{os.getpid()}")
        if os.path.exists(os.path.join(root, "cgroup.procs")):
            with contextlib.suppress(OSError):
                os.mkdir(path)
                return path
    return None


class Traffic:
    """Two namespaces, two families, three ports, two processes, one of them in its own cgroup."""

    def __init__(self):
        self.cgroup, self.netns, self.pids = _cgroup(), {}, {}

    def __enter__(self):
        host = Netns.current()
        for name in (HERE, THERE):
            self.netns[name] = Netns.create()
        host.enter()
        host.close()
        return self

    def __exit__(self, *_):
        for netns in self.netns.values():
            netns.close()
        if self.cgroup:
            with contextlib.suppress(OSError):
                os.rmdir(self.cgroup)

    def flow(self):
        for name, ports in ((HERE, (7001, 7002)), (THERE, (7001, 7003))):
            child = Child(lambda _, name=name, ports=ports: self._job(name, ports))
            self.pids[name] = child.pid
            child.result()

    def _job(self, name, ports):
        if self.cgroup and name == THERE:
            with open(os.path.join(self.cgroup, "cgroup.procs"), "w", encoding="ascii") as procs:
                procs.write(str(os.getpid()))
        self.netns[name].enter()
        for port in ports:
            for family in (4, 6):
                _talk(family, port, reset=port != 7002)


def port_is(*wanted, ends=("local", "remote")):
    return lambda item: any(item[end]["port"] in wanted for end in ends)


def kept_whole(_):
    return True


class Filter:
    """Options, which connections match, and which of their objects are printed."""

    def __init__(self, name, options, matches, prints=kept_whole, needs_cgroup=False, inside=None):
        self.name, self.options, self.matches = name, options, matches
        self.prints, self.needs_cgroup, self.inside = prints, needs_cgroup, inside

    def tracer(self, traffic):
        enter = traffic.netns[self.inside].enter if self.inside else None
        return Tracer(*self.options, preexec=enter)


def about(*states):
    """Transitions that leave or enter one of them, connections that were in one of them."""
    return lambda item: bool({item.get("from"), item.get("to"), *item.get("dwell", ())}
                             & set(states))


def only(*kinds):
    return lambda item: item["type"] in kinds


def everything(_):
    return True


def filters(traffic):
    """All documented filters. `traffic` is None if only the names are needed."""
    inum = {name: netns.inum for name, netns in traffic.netns.items()} if traffic else {}
    path = traffic.netns[THERE].path if traffic else ""
    client = port_is(7001, 7002, 7003, ends=("remote",))
    return [
        Filter("port", ["--port", "7001"], port_is(7001)),
        Filter("ports", ["--port", "7002,7003"], port_is(7002, 7003)),
        Filter("lport", ["--lport", "7001"], port_is(7001, ends=("local",))),
        Filter("rport", ["--rport", "7001"], port_is(7001, ends=("remote",))),
        Filter("rport_of_nobody", ["--rport", "7004"], lambda item: False),
        Filter("port_range", ["--port", "7002-7003"], port_is(7002, 7003)),
        Filter("lport_long_range", ["--lport", "6990-7001"], port_is(7001, ends=("local",))),
        Filter("rport_list", ["--rport", "http,7001-7002"],
               port_is(7001, 7002, ends=("remote",))),
        Filter("local4", ["--local", "127.0.0.1:7001"], lambda item: item["family"] == "ipv4"
               and item["local"]["port"] == 7001),
        Filter("local6", ["--local", "[::1]:7001-7002"], lambda item: item["family"] == "ipv6"
               and item["local"]["port"] in (7001, 7002)),
        Filter("local_port", ["--local", "*:7003"], port_is(7003, ends=("local",))),
        Filter("remote", ["--remote", "127.0.0.0/8:7001,[::1]:7003"], lambda item: (
            item["family"], item["remote"]["port"]) in (("ipv4", 7001), ("ipv6", 7003))),
        Filter("remote_address", ["--remote", "::1"], lambda item: item["family"] == "ipv6"
               and item["remote"]["port"] != 0),  # no listener has a remote end
        Filter("local_and_remote", ["--local", "::1", "--remote", ":7001"],
               lambda item: item["family"] == "ipv6" and item["remote"]["port"] == 7001),
        Filter("min_dwell_is_in_the_state", ["--min-dwell", "1h", "--state", "CLOSE_WAIT"],
               everything, lambda item: False),
        Filter("min_dwell", ["--min-dwell", "1ns"], everything,
               lambda item: item.get("dwell_ns") or item["type"] == "connection"),
        Filter("addr4", ["--addr", "127.0.0.0/8"], lambda item: item["family"] == "ipv4"),
        Filter("addr6", ["--addr", "::1"], lambda item: item["family"] == "ipv6"),
        Filter("addr_elsewhere", ["--addr", "10.0.0.0/8"], lambda item: False),
        Filter("ipv4", ["-4"], lambda item: item["family"] == "ipv4"),
        Filter("ipv6", ["-6"], lambda item: item["family"] == "ipv6"),
        Filter("netns_inum", ["--netns", inum.get(HERE)],
               lambda item: item["netns"] == inum[HERE]),
        Filter("netns_path", ["--netns", path], lambda item: item["netns"] == inum[THERE]),
        Filter("netns_self", ["--netns", "self"], lambda item: item["netns"] == inum[HERE],
               inside=HERE),
        Filter("netns_self_is_quiet", ["--netns", "self"],
               lambda item: item["netns"] not in inum.values()),
        Filter("cgroup", ["--cgroup", traffic and traffic.cgroup],
               lambda item: item["netns"] == inum[THERE], needs_cgroup=True),
        Filter("cgroup_root", ["--cgroup", traffic and os.path.dirname(traffic.cgroup or "")],
               everything, needs_cgroup=True),
        Filter("state", ["--state", "close-wait"], everything, about("CLOSE_WAIT")),
        Filter("states", ["--state", "LISTEN,TCP_CLOSE_WAIT"], everything,
               about("LISTEN", "CLOSE_WAIT")),
        Filter("only_transition", ["--only", "transition"], everything, only("transition")),
        Filter("only_connection", ["--only", "connection"], everything, only("connection")),
        Filter("two_filters", ["-4", "--rport", "7001"],
               lambda item: client(item) and item["family"] == "ipv4"
               and item["remote"]["port"] == 7001),
    ]


def identity(item):
    return item["netns"], item["cookie"], item["life"]


def what_it_says(item):
    """Two tracers take their own time stamps; the rest must be the same."""
    return (item["type"], *identity(item), item["local"]["port"], item["remote"]["port"],
            item.get("from"), item.get("to"), item.get("ended"), item.get("closed_by"))


class Runs:
    """Every filter's tracer, and the one without a filter, over the same traffic."""

    def __init__(self):
        self.printed, self.problems = {}, {}
        with Traffic() as traffic, contextlib.ExitStack() as stack:
            self.traffic = traffic
            self.filters = {each.name: each for each in filters(traffic)
                            if traffic.cgroup or not each.needs_cgroup}
            tracers = {name: each.tracer(traffic) for name, each in self.filters.items()}
            tracers["all"] = Tracer()
            self.problems = start_all(tracers, stack)
            traffic.flow()
            inums = {netns.inum for netns in traffic.netns.values()}
            wait_for(lambda: len(ended(tracers["all"].objects(), inums)) == 24,
                     "8 conversations: 8 listeners, 8 clients, 8 servers")
            for name in tracers.keys() - self.problems.keys():
                self.printed[name] = [item for item in tracers[name].stop()
                                      if item.get("netns") in inums]


def ended(objects, inums):
    return [item for item in objects if item["type"] == "connection" and item["netns"] in inums]


def start_all(tracers, stack):
    """Side by side: loading the programs takes a while. Returns what went wrong, by name."""
    for tracer in tracers.values():
        tracer.begin()
    problems = {}
    for name, tracer in tracers.items():
        try:
            stack.enter_context(tracer)
        except TracerError as problem:
            problems[name] = problem
    return problems


@pytest.fixture(scope="module")
def runs():
    return Runs()


def compare(runs, name):
    each, everything_printed = runs.filters[name], runs.printed["all"]
    matching = {identity(item) for item in everything_printed
                if item["type"] == "connection" and each.matches(item)}
    truth = [what_it_says(item) for item in everything_printed
             if identity(item) in matching and each.prints(item)]
    printed = [what_it_says(item) for item in runs.printed[name]]
    missing = [item for item in truth if item not in printed]
    excess = [item for item in printed if item not in truth]
    assert not missing and not excess, f"missing {missing}\nexcess {excess}"
    assert sorted(map(repr, printed)) == sorted(map(repr, truth)), "printed twice"
    return matching


@pytest.mark.parametrize("name", [each.name for each in filters(None)])
def test_filter(runs, name):
    if name not in runs.filters:
        pytest.skip("no cgroup v2 hierarchy that a test may add a cgroup to")
    if name in runs.problems:
        raise runs.problems[name]
    matching = compare(runs, name)
    nothing_matches = name in ("rport_of_nobody", "addr_elsewhere",
                               "netns_self_is_quiet")
    assert bool(matching) != nothing_matches, "the filter's own test traffic is wrong"


@pytest.mark.parametrize("by", ["pid", "comm"])
def test_process(by):
    """The owner's: of connections that it opened, accepted or listens on."""
    with Traffic() as traffic:
        def job(child):
            with open("/proc/self/comm", "w", encoding="ascii") as comm:
                comm.write("asked-for")
            child.told()
            traffic._job(HERE, (7001,))

        child = Child(job)
        options = {"pid": ["--pid", child.pid], "comm": ["--comm", "nobody,asked-for"]}[by]
        with Tracer(*options) as tracer, Tracer() as all_of_it:
            child.tell()
            child.result()
            traffic.flow()
            inums = {netns.inum for netns in traffic.netns.values()}
            wait_for(lambda: len(ended(all_of_it.objects(), inums)) == 30, "10 conversations")
            mine = [item for item in all_of_it.stop() if item.get("netns") in inums
                    and item["type"] == "connection" and item["owner"]["pid"] == child.pid]
            wanted = {identity(item) for item in mine}
            printed = [item for item in tracer.stop() if item["type"] not in ("start", "end")]
    assert len(wanted) == 6
    assert {identity(item) for item in printed if item["type"] == "connection"} == wanted
    assert {identity(item) for item in printed} == wanted
    transitions = [item for item in printed if item["type"] == "transition"]
    assert sum(item["to"] == "CLOSED" for item in transitions) == 6
    assert sum(item["dwell_ns"] is None for item in transitions) == 6
