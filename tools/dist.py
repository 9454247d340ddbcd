#!/usr/bin/env python3
"""Builds the release binary of one architecture: one static file.

    dist.py --arch {amd64,arm64} LIBRARY...

makes dist/tcpdwell-VERSION-linux-MACHINE and its .sha256. LIBRARY: the Debian packages of the linked
libraries. For a foreign architecture they are unpacked into the cache, see debian.py. Called by
`./dev dist`.
"""
import argparse
import glob
import hashlib
import os
import re
import shutil
import subprocess
import sys

import debian

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
SUITE = "bookworm"  # has static libraries of everything that is linked


class Failed(Exception):
    """The build failed, or made a wrong binary."""


def say(text):
    print(f"dist: {text}", file=sys.stderr)


def sysroot(arch, packages):
    """The packages, unpacked. Unpacked again only if the list has changed."""
    name = f"{SUITE}-{arch}-" + hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    base = debian.cache_dir("sysroot")
    path = os.path.join(base, name)
    if not os.path.isdir(path):
        say(f"fetching {' '.join(packages)} for {arch}")
        for old in glob.glob(os.path.join(base, f"{SUITE}-{arch}-*")):
            shutil.rmtree(old)
        debian.unpack(debian.Archive(arch, [SUITE]).fetch(packages), f"{path}.new")
        os.rename(f"{path}.new", path)
    return path


def build(arch, packages, werror):
    """Returns the directory of the build."""
    preset, options = "dist", [f"-DTCPDWELL_WERROR={werror}"]
    if MACHINES[arch] != os.uname().machine:
        preset = f"dist-{arch}"
        options.append(f"-DTCPDWELL_SYSROOT={sysroot(arch, packages)}")
    for command in (["cmake", "--preset", preset, "--log-level=WARNING", *options],
                    ["cmake", "--build", "--preset", preset]):
        subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=True)
    return os.path.join(ROOT, f"build-{preset}")


def version_of(directory):
    with open(os.path.join(directory, "CMakeCache.txt"), encoding="utf-8") as cache:
        return re.search(r"^TCPDWELL_FULL_VERSION:INTERNAL=(.+)$", cache.read(), re.M).group(1)


def check(binary, arch, version):
    """Checks that the binary is for this architecture, needs no library, and runs."""
    told = subprocess.run(["readelf", "-hldW", binary], capture_output=True, text=True, check=True,
                          env={**os.environ, "LC_ALL": "C"}).stdout
    machine = {"amd64": "X86-64", "arm64": "AArch64"}[arch]
    if not re.search(rf"^ *Machine: .*{machine}$", told, re.M):
        raise Failed(f"{binary} is not for {arch}")
    if "(NEEDED)" in told or "INTERP" in told:
        raise Failed(f"{binary} is not static:\n{told}")
    run = [binary, "--version"]
    if MACHINES[arch] != os.uname().machine:
        emulator = shutil.which(f"qemu-{MACHINES[arch]}-static")
        if not emulator:
            say(f"not run, that takes a machine of its kind or qemu-{MACHINES[arch]}-static")
            return
        run.insert(0, emulator)
    answer = subprocess.run(run, capture_output=True, text=True, check=False)
    if answer.returncode != 0 or answer.stdout != f"tcpdwell {version}\n":
        raise Failed(f"{' '.join(run)}: status {answer.returncode}, "
                     f"{answer.stdout or answer.stderr!r}")


def publish(binary, name):
    """Copies it to dist/, with the checksum for `sha256sum -c`."""
    os.makedirs(os.path.join(ROOT, "dist"), exist_ok=True)
    path = os.path.join(ROOT, "dist", name)
    shutil.copy2(binary, f"{path}.new")
    os.replace(f"{path}.new", path)
    with open(path, "rb") as file:
        content = file.read()
    digest = hashlib.sha256(content).hexdigest()
    with open(f"{path}.sha256", "w", encoding="utf-8") as file:
        file.write(f"{digest}  {name}\n")
    say(f"{len(content) / 1e6:.1f} MB, sha256 {digest}")
    print(path)


def main():
    parser = argparse.ArgumentParser(description="build the release binary")
    parser.add_argument("--arch", required=True, choices=MACHINES)
    parser.add_argument("--werror", choices=("ON", "OFF"), default="OFF")
    parser.add_argument("libraries", nargs="+")
    options = parser.parse_args()
    if options.arch != "arm64" and MACHINES[options.arch] != os.uname().machine:
        sys.exit(f"dist: {options.arch} can be built on such a machine only")
    try:
        directory = build(options.arch, options.libraries, options.werror)
        binary, version = os.path.join(directory, "tcpdwell"), version_of(directory)
        check(binary, options.arch, version)
    except (Failed, debian.Unreachable) as why:
        sys.exit(f"dist: {why}")
    except subprocess.CalledProcessError as failed:
        sys.exit(f"dist: {' '.join(failed.cmd[:2])} failed")
    publish(binary, f"tcpdwell-{version}-linux-{MACHINES[options.arch]}")


if __name__ == "__main__":
    main()
