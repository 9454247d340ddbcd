"""A socket whose opener exits at once. The opener's child reads its end of stream, and keeps it."""
import os
import socket

from known import be_known

be_known()

listener = socket.create_server(("127.0.0.1", 0))


def opener():
    return socket.create_connection(listener.getsockname())  # connects


def heir(kept):
    kept.recv(1)  # reads


if os.fork() == 0:
    made = opener()
    if os.fork() == 0:
        heir(made)
        os.read(0, 1)  # until the test has seen enough
    os._exit(0)
os.wait()
listener.accept()[0].close()
print("ready", flush=True)
os.read(0, 1)
