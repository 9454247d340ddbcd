#!/usr/bin/python3
"""Programs that get stuck, each for a reason of its own. Usage: programs.py NAME FAMILY [N]

Each prints "ready" when its sockets are stuck, and stays until it is killed. It imports nothing of the
tests, because its data in /proc is part of the test.
"""
import ctypes
import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

HOSTS = {"4": "127.0.0.1", "6": "::1"}
FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6}
libc = ctypes.CDLL(None)


FIN_WAIT_2 = 5


def wait_for_state(end, state):
    while end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != state:
        time.sleep(0.001)


def wait_for_ever(*_held):
    while True:
        time.sleep(1000)


def stay(*held, word="ready"):
    print(word, flush=True)
    wait_for_ever(held)


class Program:
    def __init__(self, family, number):
        self.host, self.family, self.number = HOSTS[family], FAMILIES[family], number

    def listen(self):
        return socket.create_server((self.host, 0), family=self.family, backlog=100)

    def pair(self, listener=None):
        """Both ends of a connection."""
        listener = listener or self.listen()
        client = socket.create_connection(listener.getsockname()[:2])
        return client, listener.accept()[0]

    def leak(self):
        """A server's socket whose peer has closed, all of it read. The peer is another process."""
        listener = self.listen()
        address = listener.getsockname()[:2]
        if os.fork() == 0:
            listener.close()
            socket.create_connection(address).close()
            os._exit(0)
        server = listener.accept()[0]
        while server.recv(4096):
            pass
        os.wait()
        return server

    # --- the programs -----------------------------------------------------------------------

    def prefork(self):
        """Workers, each with an idle connection that the server closed."""
        listener = self.listen()
        address = listener.getsockname()[:2]
        for _ in range(self.number):
            if os.fork() == 0:
                listener.close()
                client = socket.create_connection(address)
                wait_for_ever(client)
        for _ in range(self.number):
            listener.accept()[0].close()
        stay()

    def inherited(self):
        """The service closes its descriptor; the program that it started has it, too."""
        libc.prctl(15, b"uploader", 0, 0, 0)
        listener = self.listen()
        client, server = self.pair(listener)
        server.set_inheritable(True)
        child = subprocess.Popen(["sleep", "100000"], close_fds=False)
        client.shutdown(socket.SHUT_WR)
        while server.recv(4096):
            pass
        server.close()
        stay(listener, client, word=f"ready {child.pid}")

    def passed(self):
        """As Dovecot: a child of the service accepts, and passes the connection to another child."""
        here, there = socket.socketpair(socket.AF_UNIX)
        mailbox = os.fork()
        if mailbox == 0:
            libc.prctl(1, signal.SIGKILL)
            libc.prctl(15, b"mailbox", 0, 0, 0)
            server = socket.socket(fileno=socket.recv_fds(there, 1, 1)[1][0])
            while server.recv(4096):
                pass
            there.send(b".")
            wait_for_ever(server)
        listener = self.listen()
        login = os.fork()
        if login == 0:
            libc.prctl(1, signal.SIGKILL)
            libc.prctl(15, b"login", 0, 0, 0)
            client, server = self.pair(listener)
            socket.send_fds(here, [b"."], [server.fileno()])
            server.close()
            client.shutdown(socket.SHUT_WR)
            wait_for_ever(client, listener)
        here.recv(1)
        stay(listener, word=f"ready {login} {mailbox}")

    def zero_window(self):
        """Closed with megabytes that a peer does not read."""
        client, server = self.pair()
        server.setblocking(False)
        try:
            while True:
                server.send(b"x" * 65536)
        except BlockingIOError:
            pass
        server.close()
        stay(client)

    def _forwards(self, front, back):
        """Until the end of stream; returns both sides."""
        inside = socket.create_connection(back.getsockname()[:2])
        outside = front.accept()[0]
        front.close()
        back.close()
        while data := outside.recv(4096):
            inside.sendall(data)
        inside.shutdown(socket.SHUT_WR)
        return inside, outside

    def relay(self):
        """Passes the end of stream of one peer on to another, which does not close."""
        front, back = self.listen(), self.listen()
        if os.fork() == 0:
            client = socket.create_connection(front.getsockname()[:2])
            server = back.accept()[0]
            client.shutdown(socket.SHUT_WR)
            wait_for_ever(client, server)
        stay(*self._forwards(front, back))

    def slow_relay(self):
        """The same, but the other peer begins to read long after the first one closed."""
        front, back = self.listen(), self.listen()
        front.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 200_000)
        back.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if os.fork() == 0:
            client = socket.create_connection(front.getsockname()[:2])
            server = back.accept()[0]
            client.sendall(b"x" * 100_000)
            client.shutdown(socket.SHUT_WR)
            wait_for_state(client, FIN_WAIT_2)
            time.sleep(1.5)  # the relay cannot forward it before
            while server.recv(65536):
                pass
            wait_for_ever(client, server)
        inside, outside = self._forwards(front, back)
        wait_for_state(inside, FIN_WAIT_2)
        stay(inside, outside)

    def stopped(self):
        server = self.leak()
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)
        wait_for_ever(server)

    def limit(self):
        """No descriptor is left."""
        server = self.leak()
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        opened = []
        try:
            while True:
                opened.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        stay(server, opened)

    def plain(self):
        stay(self.leak())

    def dead_leader(self):
        """Its first thread has ended, and another one lives."""
        server = self.leak()
        threading.Thread(target=wait_for_ever, args=(server,)).start()
        exit_thread = {"x86_64": 60, "aarch64": 93}[platform.machine()]
        print("ready", flush=True)
        libc.syscall(exit_thread, 0)


if __name__ == "__main__":
    number = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    getattr(Program(sys.argv[2], number), sys.argv[1])()
