"""A FUSE file system of another user, whose server stops answering: a process with a request then waits for
ever, even with SIGKILL. When the server ends, waiting processes get an error and continue.

It has one directory with one file, `program`.
"""
import ctypes
import os
import shutil
import stat
import struct
import tempfile

from .child import Child
from .patience import came_true

LOOKUP, FORGET, GETATTR, OPEN, READ, FLUSH, RELEASE, INIT, OPENDIR, RELEASEDIR, INTERRUPT, \
    BATCH_FORGET = 1, 2, 3, 14, 15, 25, 18, 26, 27, 29, 36, 42
UNANSWERED = {FORGET, INTERRUPT, BATCH_FORGET}
ENOENT, ENOSYS = 2, 38
ROOT, PROGRAM, NAME = 1, 2, b"program\0"
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE, CLONE_NEWNS = 2, 4, 16384, 1 << 18, 0x20000
IN, OUT = struct.Struct("=IIQQIIIHH"), struct.Struct("=IiQ")

_libc = ctypes.CDLL(None, use_errno=True)


def why_not():
    """Why FUSE is not available here; empty if it is."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    return ""


def _checked(result, doing):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{doing}: {os.strerror(code)}")


def _attributes(node, content):
    mode = stat.S_IFDIR | 0o755 if node == ROOT else stat.S_IFREG | 0o755
    return struct.pack("=6Q10I", node, len(content), 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


class Server:
    """The server process. It answers until it gets "silence", and then reports each request
    without answering."""

    def __init__(self, device, content):
        self._device, self._content = device, content

    def serve(self, child):
        while True:
            request = os.read(self._device, 1 << 20)
            _, opcode, unique, node, *_ = IN.unpack_from(request)
            if os.path.exists(child.silence):
                with open(child.silence, "a", encoding="ascii") as told:
                    told.write(f"{opcode}\n")
            elif opcode not in UNANSWERED:
                code, answer = self._answer(opcode, node, request[IN.size:])
                os.write(self._device, OUT.pack(OUT.size + len(answer), -code, unique) + answer)

    def _answer(self, opcode, node, body):
        if opcode == INIT:
            return 0, struct.pack("=IIIIHHIIHHI28x", 7, 31, 65536, 0, 16, 12, 65536, 1, 0, 0, 0)
        if opcode == LOOKUP:
            if body != NAME:
                return ENOENT, b""
            return 0, struct.pack("=4Q2I", PROGRAM, 0, 0, 0, 0, 0) + self._node(PROGRAM)
        if opcode == GETATTR:
            return 0, struct.pack("=QII", 0, 0, 0) + self._node(node)
        if opcode in (OPEN, OPENDIR):
            return 0, struct.pack("=QII", 0, 0, 0)
        if opcode == READ:
            _, offset, size = struct.unpack_from("=QQI", body)
            return 0, self._content[offset:offset + size]
        return (0, b"") if opcode in (FLUSH, RELEASE, RELEASEDIR) else (ENOSYS, b"")

    def _node(self, node):
        return _attributes(node, self._content)


class FuseMount:
    """A context manager. `path` exists only in the mount namespace of those that are forked inside."""

    def __init__(self, program):
        with open(program, "rb") as file:
            self._content = file.read()
        self._directory = tempfile.mkdtemp(prefix="tcpdwell-fuse-")
        self.path, self._silence = (os.path.join(self._directory, name) for name in ("at", "silence"))

    def __enter__(self):
        os.mkdir(self.path)
        os.chmod(self._directory, 0o755)
        self._server = Child(self._serve)
        try:
            assert self._server.told() == "mounted"
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.end()
        shutil.rmtree(self._directory)

    def end(self):
        """Lets the waiting processes continue."""
        if self._server:
            self._server.kill()
            self._server = None

    def _serve(self, child):
        child.silence = self._silence
        _checked(_libc.unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)")
        _checked(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "private mounts")
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
        _checked(_libc.mount(b"tcpdwell-test", self.path.encode(), b"fuse", MS_NOSUID | MS_NODEV,
                             options.encode()), "mounting a FUSE file system")
        child.tell("mounted")
        Server(device, self._content).serve(child)

    def enter(self):
        """Moves the calling process into the mount namespace."""
        fd = os.open(f"/proc/{self._server.pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        _checked(_libc.setns(fd, CLONE_NEWNS), "setns")
        os.close(fd)

    def fall_silent(self):
        with open(self._silence, "x", encoding="ascii"):
            pass

    def swallowed(self):
        """The opcodes of the unanswered requests."""
        with open(self._silence, encoding="ascii") as told:
            return [int(line) for line in told]

    def swallows(self, ask):
        """True if a process that does this waits for the server. The process is left waiting."""
        before = len(self.swallowed())
        Child(lambda _: ask())
        return came_true(lambda: len(self.swallowed()) > before)
