"""A server that closes a little after its peers, and its clients."""
import collections
import selectors
import socket

from lib.clock import SECOND, now
from lib.netns import Netns

from .pair import keep_alive


class Server:
    """`per_second` connections; each is idle for `idle_s`, then its client ends the stream, and the
    server closes `slow_s` later."""

    def __init__(self, idle_s, slow_s, per_second):
        self.idle_ns, self.slow_ns = int(idle_s * SECOND), int(slow_s * SECOND)
        self.every_ns = SECOND // per_second
        self.idle, self.closing, self.held_ns = collections.deque(), collections.deque(), {}

    def run(self, child):
        """Reports its namespace after some complete connections; the result is how
        long each was half closed, by its client's port."""
        netns, selector = Netns.create(), selectors.DefaultSelector()
        selector.register(child.channel, selectors.EVENT_READ)
        self.listener = socket.create_server(("127.0.0.1", 65000))  # above what clients have
        next_at, told = now(), False
        while not selector.select(0.01):
            if now() >= next_at:
                self.connect()
                next_at += self.every_ns
            self.proceed()
            if self.held_ns and not told:
                told = True
                child.tell(netns.inum)
        child.told()
        for _, port, ended in self.closing:
            self.held_ns[port] = now() - ended
        return self.held_ns

    def connect(self):
        client = socket.create_connection(("127.0.0.1", 65000))
        server = self.listener.accept()[0]
        keep_alive(server)
        client.send(b"question")
        server.send(server.recv(100))
        client.recv(100)
        self.idle.append((now() + self.idle_ns, client, server))

    def proceed(self):
        while self.idle and self.idle[0][0] <= now():
            _, client, server = self.idle.popleft()
            ended = now()
            client.shutdown(socket.SHUT_WR)
            self.closing.append(((client, server), client.getsockname()[1], ended))
        while self.closing and self.closing[0][2] + self.slow_ns <= now():
            (client, server), port, ended = self.closing.popleft()
            server.close()
            client.close()
            self.held_ns[port] = now() - ended
