"""Owners and closers."""
import os
import socket
import threading

from lib import uring
from lib.child import Child, rename
from lib.clock import Bracket, now, pause, timed
from lib.conn import Conn, cookie_of
from lib.life import ANY, Who, me
from lib.loopback import Pair
from lib.scenario import scenario
from lib.fixture import LOOPBACK, Skip


def _closed(c, at, who):
    """The far process closed it while it was ESTABLISHED; the peer ends it with RST."""
    c.life.enter("FIN_WAIT_1", at)
    c.life.closer = who
    c.hears("FA")
    pause(0.05)
    c.peer("R", to="CLOSED")
    c.life.ends("reset_received", "local")


def _close(sock):
    """Runs in a child: closes, and reports the time and its identity."""
    _, at = timed(sock.close)
    return at, me("close")


@scenario()
def forked_child_closes_last(w):
    """Close() in the parent is nothing while the child holds the fd."""
    c = w.client()

    def job(child):
        child.told()
        return _close(c.sock)

    child = Child(job, b"heir")
    c.sock.close()
    pause(0.2)
    child.tell()
    at, who = child.result()
    assert who.comm == "heir" and who.pid == child.pid
    _closed(c, at, who)


@scenario()
def accepted_by_worker(w):
    """Root listens, a forked worker of another user accepts: the connection is the worker's."""
    w.peer
    listener = w.listen()

    def job(child):
        os.setuid(65534)
        listener.accepts(c)
        child.tell((c.life.cookie, c.life.owner))
        child.told()
        return _close(c.sock)

    c = listener.half_open()
    child = Child(job)
    pause(0.1)
    c.peer("A", to="ESTABLISHED")
    c.life.cookie, c.life.owner = child.told()
    assert c.life.owner == Who(child.pid, "accept", "worker", 65534)
    child.tell()
    at, who = child.result()
    _closed(c, at, who)


@scenario()
def accepted_by_thread(w):
    """A thread accepts and another closes: the owner is the process, by its leader's name."""
    w.peer
    listener = w.listen()
    c = listener.half_open()

    def accept():
        rename(b"not-the-leader")
        listener.accepts(c)

    def close():
        rename(b"nor-this-one")
        closed.append(_close(c.sock))

    closed = []
    thread = threading.Thread(target=accept)
    thread.start()
    pause(0.1)
    c.peer("A", to="ESTABLISHED")
    thread.join()
    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    (at, who), = closed
    assert who.comm != "nor-this-one"
    _closed(c, at, who)


@scenario()
def passed_by_scm_rights(w):
    """The receiver of the fd closes it; the process that accepted it remains the owner."""
    c = w.server()

    def job(child):
        sock = socket.socket(fileno=child.receive_fd())
        child.tell()
        child.told()
        return _close(sock)

    child = Child(_without(c.sock, job), b"receiver")
    child.send_fd(c.sock.fileno())
    child.told()
    c.sock.close()
    pause(0.1)
    child.tell()
    at, who = child.result()
    assert who.comm == "receiver"
    _closed(c, at, who)


@scenario()
def closed_while_another_thread_reads(w):
    """Close() has no effect until the thread in recv() leaves; then its exit closes."""
    c = w.client()
    ended = []

    def read():
        got = c.sock.recv(100)
        ended.append((got, now()))

    c.sock.setblocking(True)
    thread = threading.Thread(target=read)
    thread.start()
    pause(0.1)
    os.close(c.sock.detach())
    pause(0.4)
    at = c.peer_data(b"wake up")
    thread.join()
    (got, left), = ended
    assert got == b"wake up"
    _closed(c, Bracket(at.lo, left), me("close"))


@scenario()
def duplicate_closes_last(w):
    """Of two descriptors in one process, the last close() counts."""
    c = w.client()
    copy = c.sock.dup()
    c.sock.close()
    pause(0.2)
    _closed(c, *_close(copy))


def _without(sock, job):
    """The job, after the copy of the fd that fork() made is closed."""
    def run(child):
        sock.close()
        return job(child)
    return run


@scenario()
def accepted_by_io_uring(w):
    """No accept() system call is ever made."""
    w.peer
    listener = w.listen()
    c = listener.half_open()
    c.peer("A", to="ESTABLISHED")
    try:
        fd = uring.accept(listener.sock)
    except uring.Unavailable as why:
        raise Skip(f"io_uring: {why}") from None
    c.sock = socket.socket(fileno=fd)
    c.life.cookie, c.life.owner = cookie_of(c.sock), me("accept")
    pause(0.1)
    c.abort()


def _victim(w):
    """A connection that a child has accepted, and that child."""
    w.peer
    listener = w.listen()

    def job(child):
        listener.accepts(c)
        child.tell((c.life.cookie, c.life.owner))
        child.told()

    c = listener.half_open()
    child = Child(job, b"victim")
    c.peer("A", to="ESTABLISHED")
    c.life.cookie, c.life.owner = child.told()
    return c, child


@scenario()
def owner_is_killed(w):
    """SIGKILL: the dying process itself closes, and sends a FIN."""
    c, child = _victim(w)
    pause(0.2)
    _, at = timed(child.kill)
    _closed(c, at, c.life.owner._replace(via="close"))


@scenario()
def owner_is_killed_with_unread_data(w):
    """The same with data that it never read: RST."""
    c, child = _victim(w)
    c.peer_data(b"nobody reads this")
    _, at = timed(child.kill)
    c.life.enter("CLOSED", at)
    c.life.closer = c.life.owner._replace(via="close")
    c.life.ends("reset_sent", "local")


@scenario()
def listener_is_killed(w):
    """LISTEN ends with its process."""
    def job(child):
        listener = w.listen(LOOPBACK[w.family])
        child.tell(listener.life)
        child.told()

    child = Child(job, b"victim")
    life = child.told()
    w.lives.append(life)
    pause(0.2)
    _, at = timed(child.kill)
    life.enter("CLOSED", at)
    life.closer = (None, life.owner._replace(via="close"))


@scenario(quotes=dict(comm=b'a"b\\c{}'), control=dict(comm=b"\x1b[31m\x07\n\ttab"),
          utf8=dict(comm=b"\xff\xfe\xc3\xa9\xe2\x82"), empty=dict(comm=b""))
def hostile_comm(w, comm):
    """A comm is any bytes without NUL. It must break neither the JSON nor its neighbours."""
    rename(comm)
    pair = Pair(w)
    for life in w.lives:
        life.owner = Who(os.getpid(), life.owner.via, ANY)
    pair.server.life.enter("CLOSED", pair.client.abort())
    pair.server.life.ends("reset_received", "remote")
    pair.listener.close()
    for life in w.lives:
        life.closer = (None, Who(os.getpid(), "close", ANY))


@scenario()
def listening_children_share(w):
    """Two workers accept from one listener; each connection has its own owner."""
    w.peer
    listener = w.listen()

    def job(child):
        conn = child.told()
        listener.accepts(conn)
        child.tell((conn.life.cookie, conn.life.owner))
        child.told()

    children = [Child(job, name) for name in (b"worker-1", b"worker-2")]
    for child in children:
        c = listener.half_open()
        child.tell(_bare(c))
        c.peer("A", to="ESTABLISHED")
        c.life.cookie, c.life.owner = child.told()
        assert c.life.owner.pid == child.pid
        pause(0.1)
        c.peer("R", to="CLOSED")
        c.life.ends("reset_received", "remote")
        child.tell()
        child.result()


def _bare(c):
    """The connection without the parts that cannot be sent to another process."""
    return Conn(None, None, c.life)
