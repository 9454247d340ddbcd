"""A user's files may be on a FUSE server that never answers. A process that opens one hangs, even with SIGKILL.

So descriptors, the executable and the directory of a process are not touched if they lead there. Its memory,
which must be read, is read by a child that may be lost.
"""
import ctypes
import mmap
import os
import shutil
import socket
import struct

import pytest

from lib import patience
from lib.child import Child, dies_with_parent
from lib.conn import cookie_of
from lib.fuse import FuseMount, why_not
from lib.netns import Netns
from lib.run import PYTHON
from lib.seccomp import deny
from lib.tracer import BINARY, Tracer, parse_line

pytestmark = [pytest.mark.hidden_events,
              pytest.mark.skipif(bool(why_not()), reason=f"no FUSE here: {why_not()}")]

NOBODY, MAP_PRIVATE, MAP_FIXED, AT_PHDR = 65534, 2, 16, 3
# Its program headers, which show the language of a program, are on a page of the silent file.
HIDES_ITS_HEADERS = f"""
import ctypes, mmap, os, struct, sys
with open("/proc/self/auxv", "rb") as auxv:
    headers = dict(struct.iter_unpack("@NN", auxv.read()))[{AT_PHDR}]
page = headers // mmap.PAGESIZE * mmap.PAGESIZE
fd = os.open(sys.argv[1], os.O_RDONLY)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
pause = libc.pause  # to look for a symbol would read that page
assert page == libc.mmap(page, mmap.PAGESIZE, {mmap.PROT_READ}, {MAP_PRIVATE | MAP_FIXED}, fd, 0)
os.write(1, b"ready\\n")
pause()
"""


class Victim:
    """A process of an unprivileged user that leads to the silent files, with a socket in CLOSE_WAIT."""

    def __init__(self, way, mount):
        self._way, self._mount = way, mount
        self.must_be_read = way == "memory"  # of the others nothing need be
        self.child = Child(self._live)
        self.inum, self.cookie = self.child.told()
        self.pid = self.child.pid
        said = self.child.receive_fd()
        with os.fdopen(said, "rb") as pipe:
            assert pipe.readline() == b"ready\n"

    def _live(self, child):
        self._mount.enter()
        said = os.pipe()
        netns = Netns.create()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            server, _ = listener.accept()
            client.close()
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        dies_with_parent()
        child.tell((netns.inum, cookie_of(server)))
        netns.close()
        child.send_fd(said[0])
        os.dup2(said[1], 1)
        server.set_inheritable(True)
        getattr(self, f"_by_{self._way}")(f"{self._mount.path}/program")

    def _by_descriptors(self, path):
        for flags in (os.O_RDONLY, os.O_PATH, os.O_RDONLY | os.O_NONBLOCK):
            os.open(path, flags)
        os.open(self._mount.path, os.O_RDONLY | os.O_DIRECTORY)
        self._stay()

    def _by_directory(self, _):
        os.chdir(self._mount.path)
        self._stay()

    def _by_executable(self, path):
        """It is `cat`: its output shows that it runs."""
        stdin = os.pipe()
        os.write(stdin[1], b"ready\n")
        os.dup2(stdin[0], 0)
        os.set_inheritable(stdin[1], True)  # no end of stdin
        os.execv(path, ["cat"])

    def _by_memory(self, path):
        """The program has no interpreter's name, or its memory would not be read."""
        os.execve(self._mount.copy, [self._mount.copy, "-c", HIDES_ITS_HEADERS, path],
                  {"LD_BIND_NOW": "1"})

    @staticmethod
    def _stay():
        os.write(1, b"ready\n")
        ctypes.CDLL(None).pause()

    def bait(self):
        """What a tracer must not do."""
        proc = f"/proc/{self.pid}"
        if self._way == "memory":
            with open(f"{proc}/auxv", "rb") as file:
                headers = dict(struct.iter_unpack("@NN", file.read()))[AT_PHDR]
            with open(f"{proc}/mem", "rb", buffering=0) as file:
                file.seek(headers)
                file.read(64)
        links = [f"{proc}/fd/{number}" for number in os.listdir(f"{proc}/fd")]
        for path in [f"{proc}/exe", f"{proc}/cwd", *links]:
            os.stat(path)


@pytest.fixture(params=["descriptors", "directory", "executable", "memory"])
def silent(request):
    with FuseMount(shutil.which("cat")) as mount:
        mount.copy = shutil.copy(PYTHON, os.path.join(os.path.dirname(mount.path), "native"))
        victim = Victim(request.param, mount)
        mount.fall_silent()
        try:
            yield victim, mount
            assert mount.swallowed() or mount.swallows(victim.bait), "the files answer: nothing was tried"
        finally:
            mount.end()
            victim.child.kill()


def test_lines_of_code_do_not_block(silent):
    """With --where mapped files are opened, by a child that may be lost."""
    victim, _ = silent
    done = patience.run([BINARY, "leaks", "--where", "--json", "--flag", "CLOSE_WAIT=1ms",
                         "--netns", str(victim.inum)])
    assert done.returncode == 1, done.stderr
    listed, = [item for item in map(parse_line, done.stdout.splitlines(keepends=True))
               if item["type"] == "flag"]
    assert listed["cookie"] == victim.cookie
    thread, = listed["where"]["blocked"]
    assert thread["pid"] == victim.pid and thread["call"] in ("pause", "read")
    assert thread["stack"] or thread["missing"] in ("budget", "denied")


@pytest.mark.parametrize("preexec", [None, lambda: deny("open_by_handle_at")],
                         ids=["by_cookie", "by_descriptor"])
def test_a_silent_file_system_does_not_block(silent, preexec):
    victim, mount = silent
    flags = ("--flag", "CLOSE_WAIT=1ms", "--netns", victim.inum)
    done = patience.run([BINARY, "leaks", "--json", *map(str, flags)], preexec_fn=preexec)
    assert done.returncode == 1, done.stderr
    listed, = [item for item in map(parse_line, done.stdout.splitlines(keepends=True))
               if item["type"] == "flag"]
    assert listed["cookie"] == victim.cookie
    assert [holder["pid"] for holder in listed["holders"]] == [victim.pid]
    told = patience.run([BINARY, "leaks", *map(str, flags)], preexec_fn=preexec)
    assert told.returncode == 1 and str(victim.pid) in told.stdout.decode(), told.stderr
    for command, shows in (("trace", lambda item: item["type"] == "flag"),
                           ("stats", lambda item: any(row["flagged"]
                                                      for row in item.get("rows", ())))):
        with Tracer(*flags, *(["200ms"] if command == "stats" else []), command=command,
                    preexec=preexec) as tracer:
            tracer.wait_for(lambda objects: any(map(shows, objects)),
                            f"the stuck socket in what {command} says")
            assert tracer.stop()[-1]["type"] == "end"
    assert bool(mount.swallowed()) == victim.must_be_read, \
        "a user's file was asked for" if mount.swallowed() else "nobody read his memory"
