"""One leaked socket: its end of stream is peeked at before it is read."""
import os
import select
import socket

listener = socket.create_server(("127.0.0.1", 0))


def connect():
    return socket.create_connection(listener.getsockname())  # connects


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
