"""What can be booted: a kernel series on an architecture, in surroundings that may lack something.

A target is written [arm64/]SERIES[@SURROUNDINGS], for example 6.12, newest@2cpus, arm64/6.1.
"""
from typing import NamedTuple

import kernels

# Where the real clock runs, only what the kernel's concurrency can change, and one whole TIME_WAIT.
BASIC = ("active_close or passive_close or simultaneous_close or orphan_gets_fin or recycled "
         "or reused or reset_in or reset_of or ack_never or refused or linger_zero")
LIFECYCLES = ["test_lifecycle.py"]
STUCK = ["test_flags.py", "test_snapshot.py", "test_leaks.py"]
RIGHTS = ["test_rights.py"]


class Surroundings(NamedTuple):
    """What differs from a plain boot."""
    what: str  # for people
    tests: list = LIFECYCLES + STUCK + RIGHTS
    append: str = ""  # to the kernel's command line
    cpus: int = 1
    environment: dict = {}


SURROUNDINGS = {
    "": Surroundings("1 CPU"),
    "2cpus": Surroundings("2 CPUs in real time", ["test_lifecycle.py", "-k", BASIC], cpus=2),
    "lockdown": Surroundings("lockdown=confidentiality", ["test_lifecycle.py", "-k", BASIC],
                             append="lockdown=confidentiality"),
    "kptr": Surroundings("kptr_restrict=2", ["test_lifecycle.py", "-k", BASIC],
                         append="sysctl.kernel.kptr_restrict=2"),
    "cgroup1": Surroundings("no cgroup2", ["test_lifecycle.py", "-k", BASIC],
                            append="no_cgroup2=1"),
    "noipv6": Surroundings("ipv6.disable=1", ["test_lifecycle.py", "-k", f"({BASIC}) and ipv4"],
                           append="ipv6.disable=1"),
}
# Kernels that lack something that the tracer cannot do without: they must be told so.
REFUSED = {"5.10": Surroundings("1 CPU", ["/tests/vm/guest/test_refused.py"])}
DEFAULT = ("6.1", "6.12", "newest", "5.10", "newest@2cpus")
CI = ("6.1", "newest")


class Target(NamedTuple):
    name: str
    arch: str
    series: str
    surroundings: Surroundings
    refused: bool


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
    refused = series in REFUSED
    return Target(text, arch, series, REFUSED[series] if refused else SURROUNDINGS[variant],
                  refused)
