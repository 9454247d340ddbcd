"""Debian's kernels, of any series that its suites still have, from the archive into the cache."""
import functools
import glob
import os
import re
import shutil
import subprocess
import sys
from typing import NamedTuple

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../tools"))
from debian import Archive, Unreachable, cache_dir, unpack  # noqa: E402

SUITES = ("bullseye-security", "bookworm", "bookworm-security", "trixie", "trixie-security",
          "trixie-backports", "sid")
# What the tests use and what some kernels have as modules.
MODULES = ("veth", "inet_diag", "tcp_diag", "unix_diag", "af_packet", "ipv6", "mptcp_diag")


class Kernel(NamedTuple):
    """One unpacked kernel."""
    release: str  # as uname -r has it
    image: str
    modules: list  # paths of .ko or .ko.xz files, in the order in which they load


def _natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


@functools.cache
def archive(arch):
    return Archive(arch, SUITES)


@functools.cache
def _flavour(arch):
    """The smallest kernel that Debian builds for such machines, by its packages' names."""
    pattern = re.compile(rf"linux-(?:image|binary)-(\d+\.\d+\.\d.*)-cloud-{arch}")
    found = {}
    for name in archive(arch).find(pattern.pattern):
        found.setdefault(f"{pattern.fullmatch(name)[1]}-cloud-{arch}", []).append(name)
    return found


def series_of(release):
    return ".".join(release.split(".")[:2])


def newest_series(arch):
    return max(map(series_of, _flavour(arch)), key=_natural)


def fetch(arch, series):
    """The newest kernel of a series ("6.1") that can be had. Unreachable: there is none."""
    releases = sorted((release for release in _flavour(arch) if series_of(release) == series),
                      key=_natural, reverse=True)
    why = Unreachable(f"no suite has a kernel {series} for {arch}")
    for release in releases:
        try:
            return _fetch(arch, release)
        except Unreachable as error:  # listed, but no longer there: an older one may be
            why = error
    raise why


def _fetch(arch, release):
    into = cache_dir("kernels", arch, release)
    done = os.path.join(into, "unpacked")
    if not os.path.exists(done):
        packages = [*_flavour(arch)[release], *archive(arch).find(re.escape(f"linux-modules-{release}"))]
        shutil.rmtree(into)
        unpack(archive(arch).fetch(packages, dependencies=False), into)
        with open(done, "w", encoding="ascii"):
            pass
    images = [*glob.glob(os.path.join(into, "boot", "vmlinuz-*")),
              *glob.glob(os.path.join(into, "usr/lib/modules", release, "vmlinuz"))]
    if not images:
        raise Unreachable(f"the packages of {release} hold no kernel")
    return Kernel(release, images[0], _modules(into, release))


def _modules(into, release):
    """MODULES and what they need. What is not there is built in, or nobody's to have."""
    top = os.path.join(into, "usr") if os.path.isdir(os.path.join(into, "usr/lib/modules")) else into
    base = os.path.join(top, "lib/modules", release)
    if not os.path.exists(os.path.join(base, "modules.dep")):
        subprocess.run(["depmod", "-b", top, release], check=True, stderr=subprocess.DEVNULL,
                       env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"})
    needs = {}
    with open(os.path.join(base, "modules.dep"), encoding="utf-8") as file:
        for line in file:
            path, _, others = line.partition(":")
            needs[os.path.basename(path).split(".")[0]] = (path, others.split())
    ordered = []
    for path, others in (needs[name] for name in MODULES if name in needs):
        # modules.dep lists what is needed last first
        for each in [*reversed(others), path]:
            ordered += [] if each in ordered else [each]
    return [os.path.join(base, each) for each in ordered]
