# SPDX-License-Identifier: Apache-2.0
"""python3 upload.py PORT SECONDS: takes an upload to the end of its stream, works for so long,
answers and closes, a thread for each. Ends with 0 at the end of stdin."""

import os
import socket
import sys
import threading
import time


def serve(sock):
    with sock:
        length = 0
        while data := sock.recv(65536):
            length += len(data)
        time.sleep(float(sys.argv[2]))
        sock.sendall(b"%d bytes" % length)


def accept(listener):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


threading.Thread(target=accept, daemon=True, args=(
    socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, backlog=128,
                         dualstack_ipv6=True),)).start()
sys.stdin.read()
os._exit(0)
