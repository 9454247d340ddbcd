"""Sockets that stay in their state, each with its own history. A case is a generator: it yields pauses
(in seconds), and then the sockets that it leaves behind."""
import socket

from lib.clock import Bracket, now

from .pair import FAMILY, Pair, acked_ago_ms, drop_all, expected, until

APART_S = 0.8  # long enough that a delayed ACK is no longer due


def silent(pair):
    """No data was ever sent."""
    yield APART_S
    yield from pair.half_closed(pair.client_shuts())


def at_once(pair):
    """The FIN follows the handshake."""
    yield from pair.half_closed(pair.client_shuts())
    yield 0


def data_before(pair):
    """Data both ways, long before the FIN."""
    pair.client.send(b"question")
    pair.server.send(pair.server.recv(100))
    pair.client.recv(100)
    yield APART_S
    yield from pair.half_closed(pair.client_shuts())


def data_just_before(pair):
    """Data both ways, and the FIN behind them: a request, its answer, the client's end."""
    yield APART_S
    pair.client.send(b"question")
    pair.server.send(pair.server.recv(100))
    pair.client.recv(100)
    yield from pair.half_closed(pair.client_shuts())


def data_in_the_fin(pair):
    """One segment brings both."""
    yield APART_S
    pair.client.send(b"question", socket.MSG_MORE)
    yield from pair.half_closed(pair.client_shuts())


def unread(pair):
    """Much data and the FIN; the receiver does not read."""
    yield APART_S
    pair.client.send(bytes(40_000))
    yield from pair.half_closed(pair.client_shuts())


def read_later(pair):
    """Data is read after the FIN has come."""
    pair.client.send(bytes(10_000))
    yield APART_S
    facts = list(pair.half_closed(pair.client_shuts()))
    yield 0.3
    while pair.server.recv(65536):
        pass
    yield from facts


def data_after(pair):
    """The server goes on sending after the client's FIN, and the client reads."""
    yield APART_S
    facts = list(pair.half_closed(pair.client_shuts()))
    for _ in range(3):
        yield 0.4
        pair.server.send(b"answer")
        pair.client.recv(100)
    yield from facts


def fin_amid_data(pair):
    """A download that takes longer than its request: the ACK of the FIN goes out with data."""
    pair.small_buffers()
    pair.client.send(b"question")
    pair.server.recv(100)
    pair.fill()
    for _ in range(8):
        yield 0.15
        pair.client.recv(2000)
    entered = pair.client_shuts()
    for _ in range(4):
        pair.client.recv(2000)
    yield expected(pair.server, "CLOSE_WAIT", entered, certain=False)
    until(pair.client, "FIN_WAIT_2")
    yield expected(pair.client, "FIN_WAIT_2", Bracket(entered.lo, now()))


def window_closed(pair):
    """The client does not read: the server's window probes are acknowledged."""
    pair.small_buffers()
    pair.client.send(b"question")
    pair.server.recv(100)
    yield APART_S
    pair.fill()
    yield 0.3
    yield from pair.half_closed(pair.client_shuts(), certain=False)


def quick_acks(pair):
    """The application asks for immediate ACKs."""
    pair.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    pair.client.send(b"question")
    pair.server.recv(100)
    yield APART_S
    pair.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    facts = list(pair.half_closed(pair.client_shuts()))
    pair.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    yield 0.1
    yield from facts


def cut_off(sock, other):
    """Nothing comes any more. The answer to a keepalive probe that came within a jiffy before the FIN
    could have opened the window for it: then when it was sent has no lower bound."""
    drop_all(other)
    while acked_ago_ms(sock) < 20:
        yield 0.02


def last_ack(pair):
    """The server's FIN is never acknowledged."""
    pair.client_shuts()
    yield APART_S
    yield from _last_ack(pair)


def last_ack_after_an_answer(pair):
    """Data before the FIN was acknowledged."""
    pair.client_shuts()
    yield 0.3
    pair.server.send(b"answer")
    pair.client.recv(100)
    yield APART_S
    yield from _last_ack(pair)


def _last_ack(pair):
    yield from cut_off(pair.server, pair.client)
    lo = now()
    fact = expected(pair.server, "LAST_ACK", Bracket(lo, lo))
    pair.server.close()
    yield fact._replace(entered=Bracket(lo, now()))


def last_ack_behind_a_window(pair):
    """More than its FIN is unacknowledged: how old it is cannot be known."""
    pair.small_buffers()
    pair.fill()
    pair.client_shuts()
    yield APART_S
    fact = expected(pair.server, "LAST_ACK", Bracket(0, 0), certain=False)
    lo = now()
    pair.server.close()
    yield fact._replace(entered=Bracket(lo, now()))


def last_ack_behind_a_window_that_opens(pair):
    """Its FIN waited for the window, and then was lost."""
    pair.small_buffers()
    pair.fill()
    pair.client_shuts()
    yield 0.1
    fact = expected(pair.server, "LAST_ACK", Bracket(0, 0), certain=False)
    lo = now()
    pair.server.close()
    fact = fact._replace(entered=Bracket(lo, now()))
    for _ in range(6):
        yield 0.15
        pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        pair.client.recv(1 << 16)
    drop_all(pair.client)
    yield fact


def fin_wait_1(pair):
    """The client's FIN is never acknowledged."""
    yield APART_S
    yield from cut_off(pair.client, pair.server)
    lo = now()
    pair.client.shutdown(socket.SHUT_WR)
    yield expected(pair.client, "FIN_WAIT_1", Bracket(lo, now()))


def fin_wait_1_while_data_comes(pair):
    """... and the other side goes on sending."""
    yield APART_S
    pair.server.send(bytes(1000))
    drop_all(pair.server)
    lo = now()
    pair.client.shutdown(socket.SHUT_WR)
    at = Bracket(lo, now())
    for _ in range(3):
        yield 0.3
        pair.server.send(bytes(1000))
    yield expected(pair.client, "FIN_WAIT_1", at, certain=False)


def fin_wait_1_with_data(pair):
    """The data before the FIN is not acknowledged either."""
    yield APART_S
    drop_all(pair.server)
    pair.client.send(b"question")
    lo = now()
    pair.client.shutdown(socket.SHUT_WR)
    yield expected(pair.client, "FIN_WAIT_1", Bracket(lo, now()), certain=False)


def syn_sent(pair):
    """Its SYN is not answered."""
    yield 0.1
    kind, address = FAMILY[4 if pair.client.family == socket.AF_INET else 6]
    pair.server, pair.listener = socket.socket(kind), socket.socket(kind)
    pair.listener.bind((address, 0))
    pair.listener.listen(1)
    drop_all(pair.listener)
    pair.server.setblocking(False)
    lo = now()
    pair.server.connect_ex(pair.listener.getsockname())
    yield expected(pair.server, "SYN_SENT", Bracket(lo, now()))


HALF_CLOSED = (silent, at_once, data_before, data_just_before, data_in_the_fin, unread, read_later,
               data_after, fin_amid_data, window_closed, quick_acks)
UNANSWERED = (last_ack, last_ack_after_an_answer, last_ack_behind_a_window,
              last_ack_behind_a_window_that_opens, fin_wait_1, fin_wait_1_while_data_comes,
              fin_wait_1_with_data, syn_sent)
