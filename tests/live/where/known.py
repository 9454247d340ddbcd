"""The tracer learns from a program's execve() and from its first stacks that it is Python."""
import socket
import time


def be_known():
    """Makes a first stack, and gives the tracer time: on a busy machine it needs some."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()):
            listener.accept()[0].close()
    time.sleep(2)
