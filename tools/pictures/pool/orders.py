# SPDX-License-Identifier: Apache-2.0
"""A client of a backend, with a leak: on an error the connection stays in the pool's list."""
import socket


class Pool:
    def __init__(self, backend):
        self.backend, self.lent = backend, []

    def checkout(self):
        connection = socket.create_connection(self.backend)
        self.lent.append(connection)
        return connection

    def give_back(self, connection):
        self.lent.remove(connection)
        connection.close()


def order(pool, item):
    connection = pool.checkout()
    connection.sendall(item)
    answer = connection.recv(4096)
    if not answer:
        return "sold out"
    pool.give_back(connection)
    return answer.decode()
