"""The initramfs of a guest: some of Debian's programs, the tests, the tracer, the modules.

It is an uncompressed cpio archive: a processor that is emulated would take seconds to unpack it.
"""
import hashlib
import lzma
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../tools"))
from debian import Archive, cache_dir, unpack  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SUITE, PYTHON = "bookworm", "3.11"
PACKAGES = ("busybox-static", "python3.11", "python3-pytest", "iproute2", "libcap2-bin",
            "util-linux")
APPLETS = ("sh", "mount", "insmod", "poweroff", "cat", "mkdir")
LEFT_OUT = ("usr/share", "etc", "var", "usr/lib/*/gconv", "usr/lib/python3.11/pydoc_data",
            "usr/lib/python3.11/test", "usr/lib/python3.11/idlelib", "usr/lib/python3.11/lib2to3",
            "usr/lib/python3/dist-packages/pkg_resources", "usr/lib/python3/dist-packages/py",
            "usr/include", "usr/lib/x86_64-linux-gnu/perl*", "usr/lib/aarch64-linux-gnu/perl*",
            "usr/bin/dpkg*", "usr/bin/perl*")


def _cpio(tree, into):
    """Everything below `tree`, owned by root."""
    names = subprocess.run(["find", ".", "-mindepth", "1", "-print0"], cwd=tree, check=True,
                           capture_output=True).stdout
    with open(into, "wb") as file:
        subprocess.run(["cpio", "--null", "--create", "--format=newc", "--owner=0:0", "--quiet"],
                       cwd=tree, input=names, stdout=file, check=True)


def _compile(*trees):
    """Python byte code, so that the guest need not make it. Only the same version can."""
    python = shutil.which(f"python{PYTHON}", path="/usr/bin") or f"python{PYTHON}"
    if shutil.which(python):
        subprocess.run([python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash",
                        "-s", os.path.commonpath(trees), "-p", "/", *trees], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def base(arch):
    """The programs that each guest has; a cpio archive in the cache."""
    recipe = repr((SUITE, PACKAGES, APPLETS, LEFT_OUT))
    key = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    into = os.path.join(cache_dir("guest"), f"{arch}-{key}.cpio")
    if os.path.exists(into):
        return into
    packages = Archive(arch, (SUITE,)).fetch(PACKAGES)
    with tempfile.TemporaryDirectory(dir=cache_dir("guest")) as scratch:
        tree = os.path.join(scratch, "root")
        unpack(packages, tree)
        for pattern in LEFT_OUT:
            subprocess.run(f"rm -rf -- {tree}/{pattern}", shell=True, check=True)
        for directory in ("proc", "sys", "dev", "tmp", "run", "etc", "root"):
            os.makedirs(os.path.join(tree, directory), exist_ok=True)
        for name in APPLETS:
            path = os.path.join(tree, "bin", name)
            if os.path.lexists(path):
                os.unlink(path)
            os.symlink("busybox", path)
        with open(os.path.join(tree, "etc/passwd"), "w", encoding="ascii") as file:
            file.write("root:x:0:0:root:/root:/bin/sh\n"
                       "nobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n")
        with open(os.path.join(tree, "etc/group"), "w", encoding="ascii") as file:
            file.write("root:x:0:\nnogroup:x:65534:\n")
        _compile(os.path.join(tree, f"usr/lib/python{PYTHON}"),
                 os.path.join(tree, "usr/lib/python3/dist-packages"))
        _cpio(tree, into + ".new")
        os.replace(into + ".new", into)
    return into


def tests(programs, into):
    """The tests of this checkout, and programs, {name: path}; a cpio archive."""
    with tempfile.TemporaryDirectory() as tree:
        for name in ("live", "vm/guest"):
            shutil.copytree(os.path.join(HERE, "..", name), os.path.join(tree, "tests", name),
                            ignore=shutil.ignore_patterns("__pycache__"))
        os.makedirs(os.path.join(tree, "usr/bin"))
        for name, path in programs.items():
            shutil.copy2(path, os.path.join(tree, "usr/bin", name))
        shutil.copy2(os.path.join(HERE, "guest/init"), os.path.join(tree, "init"))
        _compile(os.path.join(tree, "tests/live"), os.path.join(tree, "tests/vm"))
        _cpio(tree, into)


def modules(paths, orders, into):
    """The modules of one kernel, in the order of their names, and the orders for the guest."""
    with tempfile.TemporaryDirectory() as tree:
        os.makedirs(os.path.join(tree, "modules"))
        for number, path in enumerate(paths):
            with (lzma.open if path.endswith(".xz") else open)(path, "rb") as file:
                data = file.read()
            name = os.path.basename(path).split(".")[0]
            with open(os.path.join(tree, "modules", f"{number:02}-{name}.ko"), "wb") as file:
                file.write(data)
        with open(os.path.join(tree, "orders.json"), "w", encoding="utf-8") as file:
            file.write(orders)
        _cpio(tree, into)
