"""Objects that other users' descriptors refer to are not opened, queried or waited for.

The attack: a user holds a network namespace by descriptors. When the tracer has seen them, the user
replaces them. A tracer that opens /proc/PID/fd/N then opens the new target: the user's terminal becomes the
controlling terminal of a tracer that has none, and the user's Ctrl-C ends root's trace.
"""
import ctypes
import os
import socket
import tempfile

import pytest

from lib.child import Child
from lib.netns import CLONE_NEWNET, link_up
from lib.seccomp import deny
from lib.tracer import Tracer

pytestmark = pytest.mark.hidden_events

NOBODY, CLONE_NEWUSER, IN_OPEN, IN_NONBLOCK = 65534, 0x10000000, 0x20, 0x800
FIRST = 200  # descriptors of the attacker; lower ones are found first
_libc = ctypes.CDLL(None, use_errno=True)


def make_namespace(child):
    """Sends a namespace, and a server's end in CLOSE_WAIT in it; nobody stays inside."""
    if _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    link_up("lo")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.close()
    child.send_fd(os.open("/proc/self/ns/net", os.O_RDONLY))
    child.send_fd(server.fileno())


def attack(child):
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    inside = Child(make_namespace)
    namespace, server = inside.receive_fd(), inside.receive_fd()
    inside.result()
    for number in range(FIRST, FIRST + 8):
        os.dup2(namespace, number)
    inum = os.fstat(namespace).st_ino
    os.close(namespace)
    os.dup2(server, FIRST + 100)  # the last that leads there
    os.close(server)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "file")
        baits = [os.openpty()[1], os.open(path, os.O_RDONLY | os.O_CREAT)]
        fifo = os.path.join(directory, "fifo")
        os.mkfifo(fifo)
        baits.append(os.open(fifo, os.O_RDWR))
        watch = _libc.inotify_init1(IN_NONBLOCK)
        for name in (path, fifo, os.ttyname(baits[0])):
            _libc.inotify_add_watch(watch, name.encode(), IN_OPEN)
        child.tell(inum)
        child.told()
        for number in range(FIRST, FIRST + 8):
            os.dup2(baits[number % len(baits)], number)
        child.tell("swapped")
        child.told()
        try:
            return len(os.read(watch, 65536))
        except BlockingIOError:
            return 0


def terminal_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(") ")[2].split()[4])


def without_handles():
    os.setsid()
    deny("open_by_handle_at")


@pytest.mark.parametrize("preexec", [os.setsid, without_handles],
                         ids=["by_cookie", "by_descriptor"])
def test_targets_of_descriptors_are_not_opened(preexec):
    attacker = Child(attack)
    inum = attacker.told()
    with Tracer("--flag", "CLOSE_WAIT=3s", "--netns", inum, preexec=preexec) as tracer:
        attacker.tell()
        assert attacker.told() == "swapped"
        tracer.wait_for(lambda objects: any(each["type"] == "flag" for each in objects),
                        "the flag of a socket in a namespace that only a descriptor leads to")
        assert terminal_of(tracer.process.pid) == 0, "a user's terminal controls the tracer"
        attacker.tell()
        assert attacker.result() == 0, "a user's file was opened"
        tracer.stop()
