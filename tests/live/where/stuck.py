"""One socket in CLOSE_WAIT whose end of stream was read, by a thread that then waits for a backend."""
import socket
import threading

listener = socket.create_server(("127.0.0.1", 0))


class Pool:
    def __init__(self):
        self.backend = socket.create_connection(listener.getsockname())
        self.answers, _ = listener.accept()

    def wait(self):
        return self.backend.recv(100)  # blocked


def handler(served, pool):
    while served.recv(100):
        pass
    pool.wait()  # calls it


pool = Pool()
client = socket.create_connection(listener.getsockname())
served, _ = listener.accept()
thread = threading.Thread(target=handler, args=(served, pool))
thread.start()
client.close()
print("ready", flush=True)
thread.join()  # waits for it
