"""Leaks a socket in a thread that a second interpreter knows, too, but does not run in."""
import socket
import time

import _xxsubinterpreters

from known import be_known

print("ready", flush=True)
be_known()
other = _xxsubinterpreters.create()
listener = socket.create_server(("127.0.0.1", 0))


def leak():
    made = socket.create_connection(listener.getsockname())  # connects
    listener.accept()[0].close()
    made.recv(1)  # reads
    return made


leaked = leak()
time.sleep(1000)
