# SPDX-License-Identifier: Apache-2.0
"""The least of a protocol that a test needs to talk to a server: FastCGI, MariaDB, PostgreSQL."""

import struct


def exactly(sock, length):
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        if not more:
            raise ConnectionResetError("the server has closed")
        data += more
    return data


# --- FastCGI ----------------------------------------------------------------------------------


def fastcgi_ask(sock, script):
    """One request, after which php-fpm closes."""
    parameters = {"SCRIPT_FILENAME": str(script), "REQUEST_METHOD": "GET",
                  "GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1"}
    pairs = b"".join(bytes([len(name), len(value)]) + name.encode() + value.encode()
                     for name, value in parameters.items())
    sock.sendall(_fastcgi(1, struct.pack(">HB5x", 1, 0)) + _fastcgi(4, pairs) + _fastcgi(4)
                 + _fastcgi(5))


def fastcgi_answer(sock):
    """What the script printed, without its headers."""
    text = b""
    while True:
        _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", exactly(sock, 8))
        content = exactly(sock, length + padding)[:length]
        if kind == 3:
            return text.partition(b"\r\n\r\n")[2].decode()
        if kind == 6:
            text += content


def _fastcgi(kind, content=b""):
    return struct.pack(">BBHHBB", 1, kind, 1, len(content), 0, 0) + content


# --- MariaDB ----------------------------------------------------------------------------------

_PROTOCOL_41, _SECURE_CONNECTION = 0x200, 0x8000


def mariadb_login(sock):
    """As root, of a server that asks for no password."""
    _mariadb_packet(sock)
    _mariadb_send(sock, struct.pack("<IIB23x", _PROTOCOL_41 | _SECURE_CONNECTION, 1 << 24, 33)
                  + b"root\0\0", 1)
    answer = _mariadb_packet(sock)
    assert answer[0] == 0, answer


def mariadb_ping(sock):
    """ConnectionError if the server has hung up."""
    _mariadb_send(sock, b"\x0e", 0)
    answer = _mariadb_packet(sock)
    assert answer[0] == 0, answer


def _mariadb_packet(sock):
    head = exactly(sock, 4)
    return exactly(sock, int.from_bytes(head[:3], "little"))


def _mariadb_send(sock, content, number):
    sock.sendall(len(content).to_bytes(3, "little") + bytes([number]) + content)


# --- PostgreSQL -------------------------------------------------------------------------------


def postgres_is_ready(sock, user):
    """Logs in. False: the server is still starting, and refuses."""
    _postgres_start(sock, user)
    kind, content = postgres_message(sock)
    if kind == "E" and b"C57P03\0" in content:
        return False
    assert kind != "E", content
    _until_ready(sock)
    return True


def postgres_login(sock, user):
    _postgres_start(sock, user)
    _until_ready(sock)


def _postgres_start(sock, user):
    settings = f"user\0{user}\0database\0postgres\0\0".encode()
    sock.sendall(struct.pack(">II", len(settings) + 8, 3 << 16) + settings)


def postgres_ask(sock, query):
    """The kinds of messages that came."""
    content = query.encode() + b"\0"
    sock.sendall(b"Q" + struct.pack(">I", len(content) + 4) + content)
    return _until_ready(sock)


def postgres_message(sock):
    """(kind, content); "A" is a notification."""
    kind, length = struct.unpack(">cI", exactly(sock, 5))
    return kind.decode(), exactly(sock, length - 4)


def _until_ready(sock):
    kinds = []
    while "Z" not in kinds:
        kind, content = postgres_message(sock)
        assert kind != "E", content
        kinds.append(kind)
    return kinds
