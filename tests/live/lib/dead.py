"""A program that holds sockets of every kind that is in TCP_CLOSE, for `python3 -c SOURCE JSON`.

It prints the descriptor of each kind in one line, then reads commands from stdin, one word per
line. Needs a network namespace of its own.
"""
import ctypes
import errno
import json
import os
import socket
import struct
import sys
import time

P = json.loads(sys.argv[1])
FAMILY = socket.AF_INET6 if P["family"] == 6 else socket.AF_INET
ADDRESS = "::1" if P["family"] == 6 else "127.0.0.1"
UNSPEC = struct.pack("H14x", 0)
others = []  # ends that are not checked


def listener(backlog=16):
    return socket.create_server((ADDRESS, 0), family=FAMILY, backlog=backlog)


def pair():
    """Both ends of a connection: client, server."""
    with listener() as listening:
        client = socket.create_connection(listening.getsockname()[:2])
        return client, listening.accept()[0]


def abort(sock):
    """close() that sends an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def until_closed(sock):
    """Waits until the socket is in TCP_CLOSE."""
    for _ in range(6000):
        if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 7:
            return sock
        time.sleep(0.01)
    raise TimeoutError(sock)


def reset():
    client, server = pair()
    abort(server)
    return until_closed(client)


def reset_after_data():
    client, server = pair()
    server.sendall(b"26 bytes that nobody reads")
    while client.recv(100, socket.MSG_PEEK) != b"26 bytes that nobody reads":
        pass
    abort(server)
    return until_closed(client)


def reset_and_noticed():
    client = reset()
    try:
        client.recv(1)
    except ConnectionResetError:
        return client
    raise AssertionError("no error")


def fins_server():
    """The peer first: LAST_ACK."""
    client, server = pair()
    client.close()
    assert server.recv(1) == b""
    server.shutdown(socket.SHUT_WR)
    return until_closed(server)


def fins_client():
    """This side first: its minisock is in TIME_WAIT."""
    client, server = pair()
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    server.close()
    assert client.recv(1) == b""
    return until_closed(client)


def timed_out():
    """Data that gets no answer: lo is down for a moment."""
    client, server = pair()
    others.append(server)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 100)
    os.system("ip link set lo down")
    client.send(b"x")
    until_closed(client)
    os.system("ip link set lo up")
    return client


def refused(address):
    sock = socket.socket(FAMILY)
    try:
        sock.connect(address)
    except ConnectionRefusedError:
        return sock
    raise AssertionError("not refused")


def nobody():
    """To a port without listener."""
    with listener() as listening:
        return listening.getsockname()[:2]


def refused_blocking():
    return refused(nobody())


def refused_unnoticed():
    sock = socket.socket(FAMILY)
    sock.setblocking(False)
    sock.connect_ex(nobody())
    return until_closed(sock)


def refused_twice():
    sock = refused_unnoticed()
    for _ in range(2):
        sock.connect_ex(nobody())
    return until_closed(sock)


def unused():
    return socket.socket(FAMILY)


def bound():
    sock = socket.socket(FAMILY)
    sock.bind((ADDRESS, 0))
    return sock


def never_connected():
    sock = socket.socket(FAMILY)
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        assert error.errno == errno.ENOTCONN
    return sock


def was_listening():
    sock = listener()
    sock.shutdown(socket.SHUT_RD)
    return sock


def disconnect(sock):
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.connect(sock.fileno(), UNSPEC, len(UNSPEC)) == 0, ctypes.get_errno()
    return sock


def disconnected():
    client, server = pair()
    disconnect(client)
    server.close()
    return client


def disconnected_and_shut():
    sock = disconnected()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        assert error.errno == errno.ENOTCONN
    return sock


def used_again():
    """Reset once, connected again."""
    sock = disconnect(reset_and_noticed())
    listening = listener()
    sock.connect(listening.getsockname()[:2])
    others.append(listening.accept()[0])
    return sock


def slow():
    """A slowly read download; both sides have closed."""
    client, server = pair()
    client.shutdown(socket.SHUT_WR)
    server.sendall(bytes(20_000))
    server.close()
    return until_closed(client)


def main():
    held = {}
    for kind in P["kinds"]:
        held[kind] = globals()[kind]()
    print(json.dumps({"pid": os.getpid(),
                      "fds": {kind: sock.fileno() for kind, sock in held.items()}}), flush=True)
    for line in sys.stdin:
        word = line.strip()
        if word == "close":
            for sock in held.values():
                sock.close()
        elif word == "read":
            held["slow"].recv(100)
        elif word == "exit":
            os._exit(0)
        print(word, flush=True)


main()
