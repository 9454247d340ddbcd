#!/usr/bin/env python3
"""Unpacks packages of Debian's archive, of any suite and architecture, without installing them.

    debian.py --arch arm64 --suite bookworm --into DIR PACKAGE...

downloads the packages with their dependencies, and unpacks them into DIR: a sysroot to build
against, or the root of a virtual machine. Each pair of suite and architecture has its own apt state
in the cache (~/.cache/tcpdwell, or below XDG_CACHE_HOME); the mirrors are those of the system's apt.
If these include no Debian mirror, TCPDWELL_DEBIAN names one.
"""
import argparse
import os
import re
import subprocess
import sys
import time
import urllib.parse

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LISTS_STAY_FRESH_S = 24 * 3600
SECONDS_TO_ANSWER = 20


class Unreachable(Exception):
    """The archive does not answer, or lacks a package. The text says which."""


def cache_dir(*names):
    """A directory of the cache; made if it is missing."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(base, "tcpdwell", *names)
    os.makedirs(path, exist_ok=True)
    return path


def mirrors():
    """{"debian": URI, "security": URI} of this machine's apt mirrors."""
    known = {}
    if os.environ.get("TCPDWELL_DEBIAN"):
        known["debian"] = os.environ["TCPDWELL_DEBIAN"]
    asked = subprocess.run(["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)"],
                           capture_output=True, text=True, check=False)
    for line in asked.stdout.splitlines():
        label, _, uri = line.partition(" ")
        kind = {"Debian": "debian", "Debian-Security": "security"}.get(label)
        if kind:
            known.setdefault(kind, uri)
    if "debian" not in known:
        raise Unreachable("this machine's apt has no Debian mirror: set TCPDWELL_DEBIAN to one")
    known.setdefault("security", known["debian"].rstrip("/") + "-security")
    return known


def _write_if_new(path, text):
    """Writes only changes: apt rereads all lists if a file that names them is newer than its cache."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class Archive:
    """Some suites of the archive for one architecture."""

    def __init__(self, arch, suites):
        self.arch, self._suites = arch, suites
        self._dir = cache_dir("apt", f"{arch}-{'+'.join(suites)}")
        self._packages = os.path.join(self._dir, "packages")
        for name in ("lists/partial", "packages/partial"):
            os.makedirs(os.path.join(self._dir, name), exist_ok=True)
        self._write_configuration()
        self._update()

    def find(self, pattern):
        """The names of all packages that match a regular expression as a whole."""
        names = self._run("apt-cache", "pkgnames").splitlines()
        return sorted(name for name in names if re.fullmatch(pattern, name))

    def fetch(self, packages, dependencies=True):
        """Downloads the packages that the cache lacks; returns the files."""
        if dependencies:
            listed = self._run("apt-get", "-q", "-y", "install", "--no-install-recommends",
                               "--print-uris", "-o", f"Dir::Cache::archives={self._dir}/none",
                               *packages)
        else:
            listed = self._run("apt-get", "-q", "download", "--print-uris", *packages)
        # One line per package: 'URI' file size checksum
        uris = [urllib.parse.unquote(os.path.basename(line.split("'")[1]))
                for line in listed.splitlines() if line.startswith("'")]
        files = [os.path.join(self._packages, name) for name in uris]
        if not all(map(os.path.exists, files)):
            wanted = [os.path.basename(file).split("_")[0] for file in files
                      if not os.path.exists(file)]
            self._run("apt-get", "-q", "download", *wanted, cwd=self._packages)
            self._unquote()
        return files

    def _unquote(self):
        """apt-get download writes an epoch's colon as %3a."""
        for name in os.listdir(self._packages):
            plain = re.sub(r"_\d+%3a", "_", name)
            if plain != name:
                os.replace(os.path.join(self._packages, name), os.path.join(self._packages, plain))

    def _write_configuration(self):
        where = mirrors()
        sources = "".join(
            f"deb [signed-by={KEYRING}] "
            f"{where['security' if suite.endswith('-security') else 'debian']} {suite} main\n"
            for suite in self._suites)
        _write_if_new(f"{self._dir}/sources.list", sources)
        open(f"{self._dir}/status", "a", encoding="utf-8").close()
        with open(f"{self._dir}/conf", "w", encoding="utf-8") as file:
            file.write(f'Dir::State "{self._dir}";\nDir::State::lists "{self._dir}/lists";\n'
                       f'Dir::State::status "{self._dir}/status";\nDir::Cache "{self._dir}";\n'
                       f'Dir::Etc::SourceList "{self._dir}/sources.list";\n'
                       f'Dir::Etc::SourceParts "-";\nDir::Etc::Preferences "-";\n'
                       f'Dir::Etc::PreferencesParts "-";\nAPT::Architecture "{self.arch}";\n'
                       f'APT::Architectures {{ "{self.arch}"; }};\nAPT::Sandbox::User "";\n'
                       f'Acquire::Languages "none";\nAcquire::Retries "2";\n'
                       f'Acquire::http::Timeout "{SECONDS_TO_ANSWER}";\n'
                       f'Acquire::https::Timeout "{SECONDS_TO_ANSWER}";\n')

    def _update(self):
        stamp = os.path.join(self._dir, "updated")
        if os.path.exists(stamp) and time.time() - os.stat(stamp).st_mtime < LISTS_STAY_FRESH_S:
            return
        self._run("apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any")
        with open(stamp, "w", encoding="utf-8"):
            pass

    def _run(self, *command, cwd=None):
        # Container images disable apt's cache; then each query would read all lists.
        command = (command[0], "-o", "Dir::Cache::pkgcache=pkgcache.bin", *command[1:])
        done = subprocess.run(command, cwd=cwd, env={**os.environ, "LC_ALL": "C",
                                                     "APT_CONFIG": f"{self._dir}/conf"},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            raise Unreachable(errors[0] if errors else f"{command[0]} {command[3]} failed")
        return done.stdout


def unpack(files, into):
    """Unpacks packages into one directory."""
    os.makedirs(into, exist_ok=True)
    for file in files:
        subprocess.run(["dpkg-deb", "-x", file, into], check=True)


def main():
    parser = argparse.ArgumentParser(description="unpack Debian packages beside the system")
    parser.add_argument("--arch", required=True)
    parser.add_argument("--suite", action="append", required=True)
    parser.add_argument("--into", required=True)
    parser.add_argument("packages", nargs="+")
    options = parser.parse_args()
    try:
        unpack(Archive(options.arch, options.suite).fetch(options.packages), options.into)
    except Unreachable as why:
        sys.exit(f"debian.py: {why}")


if __name__ == "__main__":
    main()
