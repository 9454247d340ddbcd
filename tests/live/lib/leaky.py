"""A program that leaks sockets, for `tcpdwell run -- python3 -c SOURCE SCENARIO JSON`.

It prints a line when the socket is stuck, and ends with os._exit(): a normal exit of the
interpreter would close its sockets one by one, and leave nothing for the kernel to close.
"""
import json
import os
import select
import signal
import socket
import sys
import time

POLLRDHUP = 0x2000
notify = None  # the ancestor's pipe, in a grandchild


def connect(p):
    return socket.create_connection((p["address"], p["port"]), timeout=60)


def until_fin(sock):
    """Waits for the peer's FIN without reading anything."""
    poll = select.poll()
    poll.register(sock, POLLRDHUP)
    poll.poll(60_000)


def begun(sock):
    """Prints one line about the stuck socket."""
    line = {"pid": os.getpid(), "fd": sock.fileno(), "local": sock.getsockname()[:2]}
    os.write(1, json.dumps(line).encode() + b"\n")
    if notify is not None:
        os.write(notify, b"x")


def clean(p):
    """A correct program."""
    sock = connect(p)
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    sock.close()


def eof_read(p):
    """The classical leak: CLOSE_WAIT, the end of stream was read."""
    sock = connect(p)
    while sock.recv(100):
        pass
    begun(sock)
    return sock


def unread(p):
    """CLOSE_WAIT with the peer's data, or at least its end of stream, unread."""
    sock = connect(p)
    until_fin(sock)
    begun(sock)
    return sock


def half_closed(p):
    """FIN_WAIT_2 by shutdown: no timer ends it."""
    sock = connect(p)
    sock.shutdown(socket.SHUT_WR)
    begun(sock)
    return sock


def orphan(p):
    """Closes in order; FIN_WAIT_2 lasts because the peer is slow."""
    sock = connect(p)
    begun(sock)
    sock.close()


def listening(p):
    listener = socket.create_server((p["address"], 0), family=socket.AF_INET6
                                    if ":" in p["address"] else socket.AF_INET)
    begun(listener)
    return listener


def not_accepted(p):
    """A server whose accept loop hangs. The test connects and closes, then says so on stdin."""
    return listening(p)


def accepted(p):
    """A server that accepts, reads to the end and does not close."""
    listener = listening(p)
    sock = listener.accept()[0]
    while sock.recv(100):
        pass
    return listener, sock


def descend(p):
    """Returns in a grandchild: another session, another cgroup, adopted by init."""
    global notify
    reader, notify = os.pipe()
    if os.fork():
        os.close(notify)
        os.wait()
        os.read(reader, 1)
        if p["outlived"]:
            time.sleep(p["seconds"])
        else:
            os.read(reader, 1)  # the end: the grandchild is gone
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    if p["cgroup"]:
        with open(p["cgroup"] + "/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write("0")


def main(scenario, p):
    if p.get("descend"):
        descend(p)
    held = globals()[scenario](p)
    if p.get("wait"):
        os.read(0, 1)
    time.sleep(p.get("seconds", 0))
    if p.get("close"):
        held.close()
    if p.get("signal"):
        os.kill(os.getpid(), getattr(signal, p["signal"]))
    os._exit(p.get("status", 0))


main(sys.argv[1], json.loads(sys.argv[2]))
