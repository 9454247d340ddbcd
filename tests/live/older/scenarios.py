"""One scenario per state: its socket is in that state when the tracer starts, and leaves it afterwards.

A scenario yields where the tracer starts.
"""
from lib.clock import SECOND, pause, timed
from lib.kernel import stamps_minisocks
from lib.loopback import Pair
from lib.netns import Netns
from lib.patience import readable
from lib.fixture import LOOPBACK, Fixture


def listen(w):
    listener = w.listen(LOOPBACK[w.family])
    yield
    listener.close()


def syn_sent(w):
    c = w.dial()
    yield
    c.peer("SA", to="ESTABLISHED")
    c.abort()


def syn_received(w):
    w.peer
    listener = w.listen()
    c = listener.half_open()
    yield
    c.peer("A", to="ESTABLISHED")
    listener.accepts(c)
    c.abort()


def syn_received_repeated(w):
    """The kernel keeps the time of its last SYN-ACK: that is no beginning."""
    w.peer
    listener = w.listen()
    c = listener.half_open()
    c.hears("SA")
    c.life.begin_unknown_of = "SYN_RECEIVED"
    yield
    c.peer("A", to="ESTABLISHED")
    listener.accepts(c)
    c.abort()


def syn_received_then_reset(w):
    w.peer
    c = w.listen().half_open()
    yield
    c.peer("R", to="CLOSED")


def established(w):
    c = w.server()
    yield
    c.abort()


def not_accepted(w):
    w.peer
    listener = w.listen()
    c = listener.half_open()
    c.peer("A", to="ESTABLISHED")
    yield
    listener.accepts(c)
    c.abort()


def fin_wait_1(w):
    c = w.client()
    c.close(to="FIN_WAIT_1")
    c.hears("FA")
    yield
    c.peer("A", to="FIN_WAIT_2")
    pause(0.1)
    c.peer("FA", to="TIME_WAIT")
    c.peer("R", to="CLOSED")


def fin_wait_2_held(w):
    c = w.client()
    c.shutdown(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    yield
    c.peer("FA", to="TIME_WAIT")
    c.peer("R", to="CLOSED")


def fin_wait_2_closed_later(w):
    """The close() of what was held so far starts the kernel's timeout, not the dwell."""
    c = w.client()
    c.shutdown(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    yield
    c.close()
    pause(0.2)
    c.peer("FA", to="TIME_WAIT")
    c.peer("R", to="CLOSED")


def fin_wait_2_orphan(w):
    c = w.client()
    c.life.begin_unknown_of = None if stamps_minisocks() else "FIN_WAIT_2"
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    yield
    c.peer("FA", to="TIME_WAIT")
    pause(0.2)
    c.peer("R", to="CLOSED")


def close_wait(w):
    c = w.client()
    c.peer("FA", to="CLOSE_WAIT")
    yield
    c.close(to="LAST_ACK")
    c.peer_acks_fin(to="CLOSED")


def last_ack(w):
    c = w.client()
    c.peer("FA", to="CLOSE_WAIT")
    c.close(to="LAST_ACK")
    c.hears("FA")
    yield
    c.peer("A", to="CLOSED")


def closing(w):
    c = w.client()
    c.close(to="FIN_WAIT_1")
    c.hears("FA")
    c.peer("FA", ack_back=1, to="CLOSING")
    yield
    c.peer("A", to="TIME_WAIT")
    c.peer("R", to="CLOSED")


def _time_wait(w, timestamps):
    """Without time stamps the end of its timer tells only when that was last set."""
    c = w.client(timestamps=timestamps)
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(0.3)  # apart, so that one is not taken for the other
    c.peer("FA", to="TIME_WAIT")
    c.life.begin_unknown_of = None if timestamps else "TIME_WAIT"
    yield
    c.peer("R", to="CLOSED")


def time_wait(w):
    yield from _time_wait(w, timestamps=True)


def time_wait_no_stamps(w):
    yield from _time_wait(w, timestamps=False)


def nobody_in_namespace(w):
    """Its namespace is held by an open fd of /proc/PID/ns/net alone; a TIME_WAIT is all it has."""
    pair = Pair(w)
    pair.listener.close()
    client, server = pair.client, pair.server
    at = client.close(to="FIN_WAIT_1")
    client.arrives_in("FIN_WAIT_2", at)
    _, at = timed(server.sock.close)
    client.arrives_in("TIME_WAIT", at)
    w.lives[:] = [client.life]
    w.leave()
    yield
    _, at = timed(w.netns.close)
    client.life.enter("CLOSED", at.later(0, 5 * SECOND))  # when the kernel's worker gets to it
    client.life.ends("fin", "local", "netns")


def only_a_socket_holds_namespace(w):
    """No process in it, no fd of it: pidfd_getfd and SIOCGSKNS are the only way in."""
    pair = Pair(w)
    pair.listener.close()
    w.lives[:] = [pair.client.life, pair.server.life]
    w.leave()
    w.netns.close()
    yield
    pair.client.abort()
    _, arrived = timed(readable, pair.server.sock, "the RST")
    pair.server.life.enter("CLOSED", pair.client.life.steps[-1].at.joined(arrived))
    pair.server.sock.close()


class LeavableFixture(Fixture):
    """A fixture that its own process can leave."""

    def __init__(self, family):
        self._home = Netns.current()
        super().__init__(family)
        self._far.close()

    def leave(self):
        self._home.enter()
        self._home.close()


WITH_PEER = [listen, syn_sent, syn_received_repeated, established, not_accepted,
             fin_wait_1, fin_wait_2_held, fin_wait_2_closed_later, fin_wait_2_orphan, close_wait,
             last_ack, closing, time_wait, time_wait_no_stamps]
LAST = [syn_received, syn_received_then_reset]  # set up at last: a second later the SYN-ACK repeats
WITHOUT = [nobody_in_namespace, only_a_socket_holds_namespace]
