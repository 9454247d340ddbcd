"""Processes that leak, for `tcpdwell leaks`."""
from lib.fixture import Fixture


def leaks_six(fixture):
    """Six sockets in CLOSE_WAIT at one port, and three more when told to go on."""
    listener = fixture.listen()
    talks = [_leak(fixture, listener) for _ in range(6)]
    yield
    talks += [_leak(fixture, listener) for _ in range(3)]
    yield


def _leak(fixture, listener):
    talk = fixture.talk(listener)
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", talk.client_closes())
    return talk


def leaks_two(fixture):
    """Two with data that it never read."""
    listener, talks = fixture.listen(), []
    for _ in range(2):
        talk = fixture.talk(listener)
        talk.client.sock.send(b"5 by.")
        talk.server.gets_stuck("CLOSE_WAIT", "data_unread", talk.client_closes(), unread=5)
        talks.append(talk)
    yield


def half_closes(fixture):
    """A held FIN_WAIT_2, whose other end has not noticed either."""
    talk = fixture.talk()
    at = talk.client_half_closes()
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at)
    yield


def slow_peer(child):
    """Not a leak: we have closed, the peer has not. In a namespace of its own."""
    fixture = Fixture(4)
    c = fixture.client()
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    child.tell((fixture.netns.inum, c.life.cookie))
    child.told()
