# SPDX-License-Identifier: Apache-2.0
"""The subjects of the pictures: programs with stuck sockets, and one connection from both ends."""
import signal
import socket
import struct
import time

HERE = "127.0.0.1"
ORDERS, GATEWAY, DATABASE, SHOP = 7070, 7171, 5432, 8080
OPEN_S, LATE_S = 20, 20  # of the one connection: its time open, and the delay of the server's close


def listen(port, backlog=16):
    return socket.create_server((HERE, port), backlog=backlog)


def orders():
    """Answers, and does not close when its client has closed."""
    listener, forgotten = listen(ORDERS), []
    while True:
        connection, _ = listener.accept()
        while connection.recv(4096):
            connection.sendall(b"200 OK")
        forgotten.append(connection)


def gateway():
    """Listens, and never calls accept()."""
    listener = listen(GATEWAY, backlog=4)
    signal.pause()
    listener.close()


def database():
    """Resets every connection once it has answered, as after a restart."""
    listener = listen(DATABASE)
    while True:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"row")
        connection.recv(4096)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def checkout():
    """A pool of connections to the database that does not watch idle ones."""
    pool = []
    for _ in range(4):
        connection = socket.create_connection((HERE, DATABASE))
        connection.sendall(b"select")
        connection.recv(4096)
        connection.sendall(b"bye")
        pool.append(connection)
    signal.pause()


def customers():
    """Three clients of orders connect and close; three of gateway send their request and wait."""
    for _ in range(3):
        with socket.create_connection((HERE, ORDERS)) as connection:
            connection.sendall(b"GET /orders")
            connection.recv(4096)
    waiting = []
    for _ in range(3):
        connection = socket.create_connection((HERE, GATEWAY))
        connection.sendall(b"GET /")
        waiting.append(connection)
    signal.pause()


STUCK = {"orders": orders, "gateway": gateway, "postgres": database}
THEIR_CLIENTS = {"checkout": checkout, "customers": customers}


def slow_server():
    """Closes, but late."""
    with listen(SHOP) as listener, listener.accept()[0] as connection:
        while connection.recv(4096):
            pass
        time.sleep(LATE_S)


def client():
    with socket.create_connection((HERE, SHOP)) as connection:
        connection.sendall(b"GET /")
        time.sleep(OPEN_S)
