"""Leaks sockets from seven places, through one pool: each is opened and read to its end of stream there.

Its argument is how many. What else is on the stack differs each time.
"""
import os
import random
import resource
import socket
import sys
import threading
import time

from known import be_known

be_known()

PACE = 20  # at a time: the tracer reads a bounded number of stacks a second
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
listener = socket.create_server(("127.0.0.1", 0), backlog=100)


def serve():
    while True:
        listener.accept()[0].close()


class Pool:
    def __init__(self):
        self.leaked = []

    def checkout(self):
        made = socket.create_connection(listener.getsockname())  # connects
        self.leaked.append(made)
        return made

    def drain(self, made):
        while made.recv(random.randrange(1, 5000)):  # reads
            pass


def deeper(levels, place, pool):
    return deeper(levels - 1, place, pool) if levels else place(pool, random.random(), str(levels))


def place_a(pool, *_):
    pool.drain(pool.checkout())


def place_b(pool, *_):
    pool.drain(pool.checkout())


def place_c(pool, *_):
    pool.drain(pool.checkout())


def place_d(pool, *_):
    pool.drain(pool.checkout())


def place_e(pool, *_):
    pool.drain(pool.checkout())


def place_f(pool, *_):
    pool.drain(pool.checkout())


def place_g(pool, *_):
    pool.drain(pool.checkout())


print("ready", flush=True)
os.read(0, 1)  # until a tracer runs, which knows then that this is Python
threading.Thread(target=serve, daemon=True).start()
shared = Pool()
places = [place_a, place_b, place_c, place_d, place_e, place_f, place_g]
for number in range(int(sys.argv[1])):
    deeper(2, places[number % len(places)], shared)
    if number % PACE == PACE - 1:
        time.sleep(0.1)
os.read(0, 1)  # until the test has seen enough
