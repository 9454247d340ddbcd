# SPDX-License-Identifier: Apache-2.0
"""A server with a fault of its own, as a program: python3 deaf.py PORT.

It reads every connection to the end of its stream and never closes it.
"""

import selectors
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=128)
ready, held = selectors.DefaultSelector(), []
ready.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in ready.select():
        if key.fileobj is listener:
            sock, _ = listener.accept()
            held.append(sock)
            ready.register(sock, selectors.EVENT_READ)
        elif not key.fileobj.recv(65536):
            ready.unregister(key.fileobj)
