"""Leaks a socket for each line of its input: the end of stream is peeked at before it is read.

Its argument is the address to use.
"""
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


def leak():
    made = connect()
    listener.accept()[0].close()
    poll = select.poll()
    poll.register(made, select.POLLRDHUP)
    poll.poll()
    assert peek(made) == peek(made) == b""
    assert read(made) == read(made) == b""
    return made


print("ready", flush=True)
leaked = [leak() for _ in sys.stdin]
