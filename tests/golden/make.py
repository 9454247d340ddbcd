#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden recordings anew: NAME.tdw, and NAME.ndjson, what the run itself printed.

Needs root. They are of a format, not of a kernel: make further ones when the format changes, under
other names. Those of version 1 stay, and must replay to the same for ever.

    TCPDWELL_BIN=build/tcpdwell tests/golden/make.py
"""

import ctypes
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "live"))

from lib.netns import Netns, link_up  # noqa: E402

CLONE_NEWUTS = 0x04000000


class Traced:
    def __init__(self, name, *options):
        self.recording, self.printed = (HERE / f"{name}.{end}" for end in ("tdw", "ndjson"))
        ready = pathlib.Path(tempfile.mkdtemp(), "ready")
        self.process = subprocess.Popen(
            [os.environ["TCPDWELL_BIN"], "trace", "--json", "--output", self.printed, "--record",
             self.recording, "--netns", "self", "--ready-file", ready, *options])
        while not ready.exists() and self.process.poll() is None:
            time.sleep(0.01)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait() == 0
        print(self.recording.name, self.recording.stat().st_size, self.printed.stat().st_size)


def pair(family, host):
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname()[:2])
        return client, listener.accept()[0]


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def lives(family, host):
    client, server = pair(family, host)
    client.sendall(b"hello")
    server.recv(5)
    client.close()
    server.close()
    client, server = pair(family, host)
    server.close()
    client.close()
    client, server = pair(family, host)
    reset(client)
    server.close()
    client, server = pair(family, host)
    client.close()  # an orphan in FIN_WAIT_2
    time.sleep(0.3)
    server.close()
    with socket.socket(family) as refused:
        refused.connect_ex((host, 9))


def leak():
    client, server = pair(socket.AF_INET, "127.0.0.1")
    client.shutdown(socket.SHUT_WR)
    time.sleep(1)
    server.close()
    client.close()


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUTS) != 0:
        sys.exit(f"make.py: {os.strerror(ctypes.get_errno())}")
    socket.sethostname("golden")
    netns = Netns.create()
    netns.enter()
    link_up("lo")
    older = pair(socket.AF_INET, "127.0.0.1")
    with Traced("lives"):
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            lives(family, host)
        for end in older:
            end.close()
    with Traced("leak", "--zstd", "--flag", "CLOSE_WAIT=300ms", "--flag", "FIN_WAIT_2=500ms"):
        leak()


if __name__ == "__main__":
    main()
