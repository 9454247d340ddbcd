"""Both ends of a connection in one kernel: every packet is processed inside a system call."""
from .clock import timed
from .conn import Conn, cookie_of
from .life import me
from .fixture import LOOPBACK


class Pair:
    """An ESTABLISHED client and the accepted server end of it."""

    def __init__(self, fixture, listener=None, accept=True):
        self.listener = listener or fixture.listen(LOOPBACK[fixture.family])
        sock = fixture.socket()
        where = (self.listener.address, self.listener.port)
        _, at = timed(sock.connect, where)
        ends = sock.getsockname()[:2], where
        life = fixture.expect("client", *ends, cookie=cookie_of(sock), opened_by="local",
                            owner=me("connect"))
        self.client = Conn(sock, None, life)
        life.enter("SYN_SENT", at)
        life.enter("ESTABLISHED", at)
        life = fixture.expect("server", *reversed(ends), opened_by="remote")
        self.server = Conn(None, None, life)
        life.enter("SYN_RECEIVED", at)
        life.enter("ESTABLISHED", at)
        if accept:
            self.listener.accepts(self.server)
