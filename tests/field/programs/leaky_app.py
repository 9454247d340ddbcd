# SPDX-License-Identifier: Apache-2.0
"""A WSGI application that keeps a connection to a backend that has closed it."""

import os
import socket

BACKEND = ("127.0.0.1", int(os.environ["BACKEND_PORT"]))
kept = []


def checkout():
    return socket.create_connection(BACKEND)  # connects


def app(environ, start_response):
    environ["wsgi.input"].read()
    made = checkout()
    made.recv(100)  # reads
    kept.append(made)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\n"]
