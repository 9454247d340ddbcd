"""Forked helpers of a scenario, with an explicit turn for each step: no sleeping for order."""
import ctypes
import os
import pickle
import select
import signal
import socket
import threading
import traceback

from .patience import wait_for, work

PR_SET_NAME, PR_SET_PDEATHSIG = 15, 1
_libc = ctypes.CDLL(None)


def dies_with_parent():
    """PR_SET_PDEATHSIG; call it again after a change of the user id, which resets it."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def rename(comm):
    """Gives the calling thread another comm (15 bytes at most)."""
    _libc.prctl(PR_SET_NAME, comm)


class Child:
    """Runs `job(child)` in a fork; its value is the result. Both talk by `tell` and `told`."""

    def __init__(self, job, comm=b"worker"):
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.pid = os.fork()
        if self.pid:
            theirs.close()
            return
        try:
            dies_with_parent()
            rename(comm)
            self.channel.close()
            self.channel, self.pid = theirs, os.getpid()
            self.tell(("result", job(self)))
        except BaseException:
            self.tell(("failed", traceback.format_exc()))
        finally:
            os._exit(0)

    def tell(self, value=None):
        self.channel.send(pickle.dumps(value))

    def told(self):
        """The other side's message. Only the child waits without limit; it is killed when we end."""
        if self.pid != os.getpid():
            wait_for(lambda: select.select([self.channel], [], [], 0.1)[0],
                     f"word from the forked child {self.pid}", lambda: work(self.pid),
                     every_s=0)
        return pickle.loads(self.channel.recv(1 << 20))

    def ready(self):
        """The other side has told something, or is gone."""
        return bool(select.select([self.channel], [], [], 0)[0])

    def send_fd(self, fd):
        socket.send_fds(self.channel, [b"fd"], [fd])

    def receive_fd(self):
        return socket.recv_fds(self.channel, 16, 1)[1][0]

    def result(self):
        """The job's result; waits until the process has ended."""
        kind, value = self.told()
        os.waitpid(self.pid, 0)
        if kind == "failed":
            raise AssertionError(f"in the forked child: {value}")
        return value

    def kill(self):
        """SIGKILL. The kernel closes its sockets before it can be reaped."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def repeat_until_told(child, clients):
    """Runs a thread for each of `clients`, called with an Event that ends them when the parent tells so."""
    stop = threading.Event()
    threads = [threading.Thread(target=client, args=(stop,)) for client in clients]
    for thread in threads:
        thread.start()
    child.told()
    stop.set()
    for thread in threads:
        thread.join()
