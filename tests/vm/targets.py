"""What can be booted: a kernel series on an architecture, in surroundings that may lack something.

A target is written [arm64/]SERIES[@SURROUNDINGS], for example 6.12, newest@2cpus, arm64/6.1.
"""
from typing import NamedTuple

import kernels

# Where the real clock runs, only what the kernel's concurrency can change, and one whole TIME_WAIT.
BASIC = ("active_close or passive_close or simultaneous_close or orphan_gets_fin or recycled "
         "or reused or reset_in or reset_of or ack_never or refused or linger_zero")
# What depends on the kernel; the options, the texts and the like need not be tested on each.
SCENARIOS = ["test_lifecycle.py", "test_flags.py", "test_snapshot.py", "test_leaks.py::test_json",
             "test_accept_queue.py", "test_accept_trace.py",
             "test_ages.py::test_the_truth_is_between_the_bounds",
             "test_ages.py::test_sockets_over_the_threshold_are_leaks",
             "test_ages.py::test_sockets_of_unknown_age_are_listed_and_no_leak", "test_mptcp.py",
             "/tests/vm/guest/test_churn.py"]


LINES = "/tests/vm/guest/test_lines.py"
REFUSAL = ["/tests/vm/guest/test_refused.py"]


class Surroundings(NamedTuple):
    """What differs from a plain boot."""
    what: str  # for people
    tests: list = SCENARIOS
    append: str = ""  # to the kernel's command line
    cpus: int = 1
    environment: dict = {}
    refused: bool = False  # it must be told what is missing


EITHER = {"TCPDWELL_FAMILIES": "either"}
SURROUNDINGS = {
    "": Surroundings("1 CPU", environment=EITHER),
    "both": Surroundings("1 CPU, each story with IPv4 and IPv6"),
    "2cpus": Surroundings("2 CPUs in real time", ["test_lifecycle.py", "-k", BASIC], cpus=2,
                          environment=EITHER),
    "rights": Surroundings("less than root", ["test_rights.py"]),
    "check": Surroundings("1 CPU, the check command", ["test_check.py"]),
    "where": Surroundings("1 CPU, lines of code", [LINES]),
    "5.15": Surroundings("1 CPU, the features of 5.15",
                         ["test_lifecycle.py", LINES, "-k", f"{BASIC} or test_lines"],
                         environment=EITHER, append="older=5.15"),
    "lockdown": Surroundings("lockdown=confidentiality", REFUSAL, append="lockdown=confidentiality",
                             refused=True),
    "kptr": Surroundings("kptr_restrict=2", ["test_lifecycle.py", "-k", BASIC], environment=EITHER,
                         append="sysctl.kernel.kptr_restrict=2"),
    "cgroup1": Surroundings("no cgroup2", ["test_lifecycle.py", "-k", BASIC], environment=EITHER,
                            append="no_cgroup2=1"),
    "noipv6": Surroundings("ipv6.disable=1", ["test_lifecycle.py", "-k", f"({BASIC}) and ipv4"],
                           append="ipv6.disable=1"),
}
# Kernels that lack something that the tracer cannot do without.
REFUSED = {"5.10": Surroundings("1 CPU", REFUSAL, refused=True)}
DEFAULT = ("6.1", "6.12", "newest", "5.10", "newest@2cpus")


class Target(NamedTuple):
    name: str
    arch: str
    series: str
    surroundings: Surroundings


class Unknown(Exception):
    """No such target. The text says what there is."""


def parse(text):
    """Unreachable where "newest" has to be looked up and the archive does not answer."""
    head, _, variant = text.partition("@")
    arch, slash, series = head.rpartition("/")
    arch = arch if slash else "amd64"
    if arch not in ("amd64", "arm64") or variant not in SURROUNDINGS:
        raise Unknown(f"no such kernel: {text}; it is [arm64/]SERIES[@SURROUNDINGS], where SERIES "
                      f"is newest, 6.1 and the like, and SURROUNDINGS one of "
                      f"{' '.join(filter(None, SURROUNDINGS))}")
    if series == "newest":
        series = kernels.newest_series(arch)
    return Target(text, arch, series, REFUSED.get(series, SURROUNDINGS[variant]))
