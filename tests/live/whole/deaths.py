"""Network namespaces that are made and destroyed, with sockets in every state they can die in."""
import contextlib
import os
import socket

from lib.child import Child
from lib.netns import Netns


def _pair(listener):
    client = socket.create_connection(listener.getsockname())
    return client, listener.accept()[0]


def inhabited(port):
    """CLOSE_WAIT, FIN_WAIT_2, ESTABLISHED and a TIME_WAIT in a namespace of its own."""
    netns = Netns.create()
    listener = socket.create_server(("127.0.0.1", port))
    kept = [_pair(listener) for _ in range(3)]
    kept[0][0].shutdown(socket.SHUT_WR)  # the server stays in CLOSE_WAIT
    for end in kept[1]:
        end.close()  # the client is in TIME_WAIT
    return netns, kept, listener


def one(child, port):
    """A namespace in a process of its own, which dies when it is told to."""
    netns, *keep = inhabited(port)
    child.tell(netns.inum)
    child.told()
    del keep


class Deaths:
    """`number` namespaces with sockets. A context manager."""

    def __init__(self, number, port):
        self.children, self.inums, self._port = [], [], port
        self.make(number)

    def make(self, number):
        new = [Child(lambda child: one(child, self._port)) for _ in range(number)]
        self.children += new
        for child in new:
            told = child.told()
            assert isinstance(told, int), told[1]
            self.inums.append(told)

    def act(self):
        """Half of them go, others come, and go, too."""
        half = len(self.children) // 2
        self.kill(half)
        self.make(half)
        self.kill(half)

    def namespaces(self):
        """Those that are there."""
        return [Netns(os.open(f"/proc/{child.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
                for child in self.children]

    def kill(self, number=None):
        """The kernel closes what they hold: resets and FINs, as ever; then the namespaces go."""
        number = len(self.children) if number is None else number
        dead, self.children = self.children[:number], self.children[number:]
        for child in dead:
            child.kill()
            child.channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.kill()
