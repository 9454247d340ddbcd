"""Processes that leak, for `tcpdwell leaks`."""
from lib.world import World


def leaks_six(stage):
    """Six sockets in CLOSE_WAIT at one port, and three more when told to go on."""
    listener = stage.listen()
    talks = [_leak(stage, listener) for _ in range(6)]
    yield
    talks += [_leak(stage, listener) for _ in range(3)]
    yield


def _leak(stage, listener):
    talk = stage.talk(listener)
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", talk.client_closes())
    return talk


def leaks_two(stage):
    """Two with data that it never read."""
    listener, talks = stage.listen(), []
    for _ in range(2):
        talk = stage.talk(listener)
        talk.client.sock.send(b"5 by.")
        talk.server.gets_stuck("CLOSE_WAIT", "data_unread", talk.client_closes(), unread=5)
        talks.append(talk)
    yield


def half_closes(stage):
    """A held FIN_WAIT_2, whose other end has not noticed either."""
    talk = stage.talk()
    at = talk.client_half_closes()
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at)
    yield


def slow_peer(child):
    """Not a leak: we have closed, the peer has not. In a namespace of its own."""
    world = World(4)
    c = world.client()
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    child.tell((world.netns.inum, c.life.cookie))
    child.told()
