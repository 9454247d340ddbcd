# SPDX-License-Identifier: Apache-2.0
"""A WSGI application. A request of /hang waits for a lock that nobody gives back."""

import threading

LOCK = threading.Lock()
LOCK.acquire()


def app(environ, start_response):
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/hang":
        LOCK.acquire()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"hello\n"]
