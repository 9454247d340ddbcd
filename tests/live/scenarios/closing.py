"""Closing in all orders: FIN_WAIT_2, orphans, TIME_WAIT measured."""
from lib.clock import pause
from lib.loopback import Pair
from lib.scenario import scenario


@scenario(client=dict(side="client"), server=dict(side="server"))
def active_close(w, side):
    """We close first and have the TIME_WAIT, as client and as server."""
    c = getattr(w, side)()
    pause(0.1)
    c.close(to="FIN_WAIT_1")
    pause(0.05)
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(0.33)
    c.peer("FA", to="TIME_WAIT")
    c.life.closed_by = "local"
    c.life.retransmits = c.flow.repeats()
    c.time_wait_expires(watch=True)


@scenario(client=dict(side="client"), server=dict(side="server"))
def passive_close(w, side):
    """The peer closes first, with data both ways before."""
    c = getattr(w, side)()
    c.sends(b"hello")
    c.peer_data(b"hello yourself")
    assert c.reads() == b"hello yourself"
    c.hears("A")
    c.peer("FA", to="CLOSE_WAIT")
    pause(0.2)
    c.close(to="LAST_ACK")
    pause(0.5)
    c.peer_acks_fin(to="CLOSED")
    c.life.ends("fin", "remote")


@scenario()
def passive_close_data_after_fin(w):
    """CLOSE_WAIT still sends; shutdown() and close() apart."""
    c = w.client()
    c.peer("FA", to="CLOSE_WAIT")
    c.hears("A")
    c.sends(b"goodbye, then")
    c.shutdown(to="LAST_ACK")
    pause(0.1)
    c.peer_acks_fin(to="CLOSED")
    pause(0.1)
    c.close()
    c.life.ends("fin", "remote")


@scenario()
def half_closed_is_held(w):
    """Tcp_fin_timeout means nothing while the application holds the socket."""
    w.sysctl("tcp_fin_timeout", 3)
    c = w.client()
    c.shutdown(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(2)
    c.peer_data(b"still talking")
    pause(2.5)
    c.peer("FA", to="TIME_WAIT")
    c.reads()
    pause(0.5)
    c.close()
    c.life.closed_by = "local"
    c.time_wait_expires()


@scenario()
def shutdown_then_close(w):
    """Close() in FIN_WAIT_2 starts the timeout, not the dwell."""
    w.sysctl("tcp_fin_timeout", 3)
    c = w.client()
    c.shutdown(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(1)
    c.close()
    c.gone_by_timer(2.9)
    c.life.ends("timeout", "local")


@scenario()
def shutdown_then_close_then_fin(w):
    """4b, but the FIN comes in time."""
    c = w.client()
    c.shutdown(to="FIN_WAIT_1")
    pause(0.05)
    c.close()  # FIN_WAIT_1 -> FIN_WAIT_1: no new dwell
    pause(0.05)
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(0.5)
    c.peer("FA", to="TIME_WAIT")
    c.life.closed_by = "local"
    c.time_wait_expires()


@scenario()
def orphan_times_out(w):
    """An orphaned FIN_WAIT_2 expires. There never was a TIME_WAIT."""
    w.sysctl("tcp_fin_timeout", 3)
    c = w.client()
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    c.gone_by_timer(2.9)
    c.life.ends("timeout", "local")


@scenario()
def long_fin_timeout(w):
    """Over 60 s, the timeout begins as a keepalive timer of the full socket."""
    w.sysctl("tcp_fin_timeout", 63)
    c = w.client()
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    c.gone_by_timer(62.9)
    c.life.ends("timeout", "local")


@scenario(halfsecond_ts=dict(delay=0.5, timestamps=True),
          halfsecond_nots=dict(delay=0.5, timestamps=False),
          second_ts=dict(delay=1, timestamps=True),
          second_nots=dict(delay=1, timestamps=False),
          three_ts=dict(delay=3, timestamps=True),
          three_nots=dict(delay=3, timestamps=False))
def orphan_gets_fin(w, delay, timestamps):
    """The FIN reaches the minisock; TIME_WAIT begins then, mostly without any timer event."""
    c = w.client(timestamps=timestamps)
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(delay)
    c.peer("FA", to="TIME_WAIT")
    c.life.closed_by = "local"
    c.time_wait_expires(watch=delay == 1)


@scenario(ts=dict(timestamps=True), nots=dict(timestamps=False))
def orphan_gets_data(w, timestamps):
    """No process is left to read it."""
    c = w.client(timestamps=timestamps)
    c.close(to="FIN_WAIT_1")
    c.peer_acks_fin(to="FIN_WAIT_2")
    pause(0.5)
    c.peer("A", data=b"anyone?", to="CLOSED")
    c.hears("R")
    c.life.ends("reset_sent", "local")


@scenario()
def orphan_gets_data_in_fin_wait_1(w):
    """Data to a closed socket that is still waiting for the ACK of its FIN."""
    c = w.client()
    c.close(to="FIN_WAIT_1")
    c.hears("FA")
    pause(0.05)
    c.peer("A", data=b"anyone?", ack_back=1, to="CLOSED")
    c.life.bytes_received = (0, len(b"anyone?"))  # received, but no process could read it
    c.life.ends("reset_sent", "local")


@scenario(orphan=dict(held=False), held=dict(held=True))
def fin_with_ack(w, held):
    """One segment acks our FIN and carries the peer's: FIN_WAIT_2 for some microseconds."""
    c = w.client()
    finish = c.shutdown if held else c.close
    finish(to="FIN_WAIT_1")
    c.hears("FA")
    pause(0.1)
    c.peer("FA", to="FIN_WAIT_2 TIME_WAIT")
    if held:
        pause(0.2)
        c.close()
    c.life.closed_by = "local"
    c.time_wait_expires()


@scenario()
def simultaneous_close(w):
    """Both FINs cross on the wire."""
    c = w.client()
    c.close(to="FIN_WAIT_1")
    c.hears("FA")
    pause(0.05)
    c.peer("FA", ack_back=1, to="CLOSING")
    pause(0.3)
    c.peer("A", to="TIME_WAIT")
    c.life.closed_by = "both"
    c.time_wait_expires()


@scenario()
def both_ends_are_ours(w):
    """1 + 2 on loopback: one conversation is two connections, and one of them gets TIME_WAIT."""
    pair = Pair(w)
    pair.client.sends(b"x" * 1000)
    assert pair.server.reads() == b"x" * 1000
    pair.server.life.bytes_received = 1000
    pause(0.1)
    at = pair.client.close(to="FIN_WAIT_1")
    pair.server.life.enter("CLOSE_WAIT", at)
    pair.client.arrives_in("FIN_WAIT_2", since=at)
    pause(0.2)
    pair.server.closes_last(pair.client)
    pair.client.life.closed_by = "local"
    pair.client.time_wait_expires()
