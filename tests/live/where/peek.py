"""One leaked socket: its end of stream is peeked at before it is read.

Its argument is the address to use.
"""
import os
import select
import socket
import sys

address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
listener = socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)


def connect():
    return socket.create_connection(listener.getsockname()[:2])  # connects


def peek(made):
    return made.recv(1, socket.MSG_PEEK)  # peeks


def read(made):
    return made.recv(100)  # reads


leaked = connect()
listener.accept()[0].close()
poll = select.poll()
poll.register(leaked, select.POLLRDHUP)
poll.poll()
assert peek(leaked) == peek(leaked) == b""
assert read(leaked) == read(leaked) == b""
print("ready", flush=True)
os.read(0, 1)  # until the test has seen enough
