"""Who holds a stuck socket: every way in which a descriptor gets to, and leaves, a process."""
import select
import socket
import threading

from lib.child import Child, rename
from lib.life import me

from .fixture import held


def _stuck_server(fixture):
    """An accepted socket in CLOSE_WAIT whose client has half-closed; not promised yet."""
    talk = fixture.talk()
    return talk, talk.client_half_closes()


def _holding(sock, *others):
    """A child that keeps its copy of a socket, and nothing of `others`, until it is told."""
    def job(child):
        for other in others:
            other.close()
        child.tell(held(sock))
        child.told()
    return job


def _release(*children):
    for child in children:
        child.tell()
        child.result()


def forked_workers(fixture):
    """Five workers inherit it; their parent has closed it."""
    talk, at = _stuck_server(fixture)
    workers = [Child(_holding(talk.server.sock, talk.client.sock), b"worker-%d" % i)
               for i in range(5)]
    holders = sum((worker.told() for worker in workers), ())
    talk.server.sock.close()
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at, holders)
    yield
    _release(*workers)


def duplicated(fixture):
    """Two descriptors of one process."""
    talk, at = _stuck_server(fixture)
    copy = talk.server.sock.dup()
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at, held(talk.server.sock, copy))
    yield
    copy.close()
    talk.server.sock.close()


def _receiver(*socks):
    def job(child):
        for sock in socks:
            sock.close()
        sock = socket.socket(fileno=child.receive_fd())
        child.tell(held(sock))
        child.told()
    return job


def passed_and_kept(fixture):
    """SCM_RIGHTS: the sender and the receiver."""
    talk, at = _stuck_server(fixture)
    receiver = Child(_receiver(talk.server.sock, talk.client.sock), b"receiver")
    receiver.send_fd(talk.server.sock.fileno())
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at, held(talk.server.sock) + receiver.told())
    yield
    talk.server.sock.close()
    _release(receiver)


def passed_on(fixture):
    """SCM_RIGHTS: only the receiver, once the sender has closed it."""
    talk, at = _stuck_server(fixture)
    receiver = Child(_receiver(talk.server.sock, talk.client.sock), b"receiver")
    receiver.send_fd(talk.server.sock.fileno())
    holders = receiver.told()
    talk.server.sock.close()
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at, holders)
    yield
    _release(receiver)


def in_flight(fixture):
    """In the queue of a unix socket: no process has it, and none must be shown."""
    talk, at = _stuck_server(fixture)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    socket.send_fds(ours, [b"fd"], [talk.server.sock.fileno()])
    talk.server.sock.close()
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at, ())
    yield
    theirs.close()
    ours.close()


def accepted_by_thread(fixture):
    """A thread's name and id are not the process's."""
    listener, talks = fixture.listen(), []
    done = threading.Event()

    def thread():
        fixture.netns.enter()
        rename(b"not-the-leader")
        talks.append(fixture.talk(listener))
        done.wait()

    worker = threading.Thread(target=thread)
    worker.start()
    while not talks:
        worker.join(0.01)
    talk, = talks
    assert talk.server.owner == me("accept")
    at = talk.client_half_closes()
    talk.server.gets_stuck("CLOSE_WAIT", "eof_unread", at)
    yield
    done.set()
    worker.join()
    talk.server.sock.close()


def listener_shared(fixture):
    """Not accepted: whoever holds the listener could accept it, so all of them are shown."""
    talk = fixture.talk(accept=False)
    helper = Child(_holding(talk.listener, talk.client.sock), b"helper")
    holders = helper.told()
    at = talk.client_closes()
    talk.server_waits(at, holders + held(talk.listener))
    yield
    talk.listener.accept()[0].close()
    _release(helper)


def reuse_port_listeners(fixture):
    """Two listeners at one port in two processes: only the one in whose queue it waits."""
    first = fixture.listen(reuse_port=True)

    def job(child):
        other = fixture.listen(first.getsockname()[1], reuse_port=True)
        first.close()
        child.tell()
        child.told()
        mine = bool(select.select([other], [], [], 0)[0])
        child.tell(held(other) if mine else ())
        child.told()
        if mine:
            other.accept()[0].close()

    helper = Child(job, b"helper")
    helper.told()
    talk = fixture.talk(first, accept=False)
    at = talk.client_closes()
    helper.tell()
    holders = helper.told()
    mine = bool(select.select([first], [], [], 0)[0])
    assert mine != bool(holders), "one of the two has it"
    talk.server_waits(at, holders or held(first))
    yield
    if mine:
        first.accept()[0].close()
    _release(helper)


HOLDERS = [forked_workers, duplicated, passed_and_kept, passed_on, in_flight, accepted_by_thread,
           listener_shared, reuse_port_listeners]
