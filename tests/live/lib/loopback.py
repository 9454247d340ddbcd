"""Both ends of a conversation in one kernel: every packet is processed inside a system call."""
from .clock import timed
from .conn import Conn, cookie_of
from .life import me
from .world import LOOPBACK


class Pair:
    """An ESTABLISHED client and the accepted server end of it."""

    def __init__(self, world, listener=None, accept=True):
        self.listener = listener or world.listen(LOOPBACK[world.family])
        sock = world.socket()
        where = (self.listener.address, self.listener.port)
        _, at = timed(sock.connect, where)
        ends = sock.getsockname()[:2], where
        life = world.expect("client", *ends, cookie=cookie_of(sock), opened_by="local",
                            owner=me("connect"))
        self.client = Conn(sock, None, life)
        life.enter("SYN_SENT", at)
        life.enter("ESTABLISHED", at)
        life = world.expect("server", *reversed(ends), opened_by="remote")
        self.server = Conn(None, None, life)
        life.enter("SYN_RECEIVED", at)
        life.enter("ESTABLISHED", at)
        if accept:
            self.listener.accepts(self.server)
