"""One scenario per cause of CLOSE_WAIT; each leaves a FIN_WAIT_2 on the other side, too.

A scenario yields when its sockets are stuck; the code after that releases them.
"""
import select

from lib import patience

from .fixture import held


def readable(sock):
    patience.readable(sock, "nothing arrived")
    return sock


def not_accepted(fixture):
    """The client has come and gone; nobody calls accept()."""
    talk = fixture.talk(accept=False)
    at = talk.client_closes()
    talk.server_waits(at, held(talk.listener))
    yield
    readable(talk.listener).accept()[0].close()


def data_unread(fixture):
    talk = fixture.talk()
    talk.client.sock.send(b"5 by.")
    at = talk.client_closes()
    talk.server.gets_stuck("CLOSE_WAIT", "data_unread", at, unread=5)
    yield
    talk.server.sock.close()


def sending(fixture):
    """The server has read everything, and sends to a client that does not read."""
    talk = fixture.talk(fixture.listen(SO_SNDBUF=4096), SO_RCVBUF=4096)
    at = talk.client_half_closes(quiet=False)
    assert readable(talk.server.sock).recv(100) == b""
    talk.server.sock.setblocking(False)
    while select.select([], [talk.server.sock], [], 0.3)[1]:
        talk.server.sock.send(bytes(1024))
    talk.server.gets_stuck("CLOSE_WAIT", "sending", at, quiet=False)
    yield
    talk.client.sock.close()  # with unread data: RST
    talk.server.sock.close()


def eof_unread(fixture):
    talk = fixture.talk()
    at = talk.client_closes()
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at)
    yield
    talk.server.sock.close()


def eof_read(fixture):
    talk = fixture.talk()
    at = talk.client_half_closes()
    assert readable(talk.server.sock).recv(100) == b""
    talk.server.gets_stuck("CLOSE_WAIT", "eof_read", at)
    yield
    talk.server.sock.close()
    assert readable(talk.client.sock).recv(100) == b""


def data_read_then_eof(fixture):
    """A recv() with room to spare takes the FIN with the data: nothing is left to read."""
    talk = fixture.talk()
    talk.client.sock.send(b"5 by.")
    at = talk.client_half_closes()
    talk.server.comes_to("CLOSE_WAIT", at)
    assert talk.server.sock.recv(100) == b"5 by."
    talk.server.gets_stuck("CLOSE_WAIT", "eof_read", at)
    yield
    talk.server.sock.close()


def data_partly_read(fixture):
    talk = fixture.talk()
    talk.client.sock.send(b"5 by.")
    at = talk.client_closes()
    assert readable(talk.server.sock).recv(3) == b"5 b"
    talk.server.gets_stuck("CLOSE_WAIT", "data_unread", at, unread=2)
    yield
    talk.server.sock.close()


def data_read_before_eof(fixture):
    """The application fetched its five bytes, and never came back for the end of the stream."""
    talk = fixture.talk()
    talk.client.sock.send(b"5 by.")
    assert readable(talk.server.sock).recv(5) == b"5 by."
    at = talk.client_closes()
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at)
    yield
    talk.server.sock.close()


CAUSES = [not_accepted, data_unread, sending, eof_unread, eof_read, data_read_then_eof,
          data_partly_read, data_read_before_eof]
