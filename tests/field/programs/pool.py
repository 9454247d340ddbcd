# SPDX-License-Identifier: Apache-2.0
"""A pool of connections to MariaDB: python3 pool.py PORT SIZE careful|careless.

A careless pool does not look at what is idle. A careful one closes what the server has hung up, and
makes new ones. Says on stdout when it is connected; exits with 0 at the end of stdin, without closing.
"""

import os
import select
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from support.clients import mariadb_login, mariadb_ping  # noqa: E402

PORT, SIZE, CAREFUL = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "careful"


def connects():
    sock = socket.create_connection(("127.0.0.1", PORT), timeout=60)
    mariadb_login(sock)
    return sock


idle = [connects() for _ in range(SIZE)]
print("ready", flush=True)
while sys.stdin not in (ready := select.select([sys.stdin, *(idle if CAREFUL else ())], [], [], 0.1)[0]):
    if CAREFUL:
        for sock in ready:  # nothing was asked: the server has closed
            sock.close()
            idle.remove(sock)
        idle += [connects() for _ in ready]
        for sock in idle[: SIZE // 2]:
            if sock not in select.select(idle, [], [], 0)[0]:
                mariadb_ping(sock)
os._exit(0)
