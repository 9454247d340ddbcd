# SPDX-License-Identifier: Apache-2.0
"""Traces a namespace from its first socket to its end, and compares with the expected connections.

The tracer is outside, and outlives the namespace: removing the namespace ends every TIME_WAIT, so a test
sees whole lifecycles without waiting for the 60 seconds.
"""

import tempfile

from lib.clock import now
from lib.life import LONGEST_TIME_WAIT_S, TIMES_OUT_OF_TIME_WAIT, Life, Step
from lib.lifecycle import Check, assign, explain, group_by_connection
from lib.patience import STALLED_S, wait_for
from lib.tracer import Tracer

from real.servers import LOOPBACK
from real.netns import ServerNetns

ANY_ADDRESS = {4: ("0.0.0.0", 0), 6: ("::", 0)}
CLOSES_FIRST = ["FIN_WAIT_1", "FIN_WAIT_2", "TIME_WAIT", "CLOSED"]
CLOSES_SECOND = ["CLOSE_WAIT", "LAST_ACK", "CLOSED"]
IS_RESET = ["CLOSED"]


class ServerFixture:
    """One namespace, its servers, and the expected connections."""

    def __init__(self, folder, *options):
        self.netns, self.lives = ServerNetns(), []
        self._folder, self._servers, self._options = folder, [], options
        self.tracer = None
        self._left_at = None

    def __enter__(self):
        try:
            self.tracer = Tracer("--netns", self.netns.path, *self._options).__enter__()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_):
        self._leave()
        self.tracer.__exit__()

    def serve(self, kind, *details):
        """Starts a server, and expects its listeners: one per port and family."""
        server = kind(self.netns, tempfile.mkdtemp(dir=self._folder), *details)
        self._servers.append(server)
        for port in server.ports:
            for family, address in LOOPBACK.items():
                life = self._promise(
                    "listener", family, (address, port), ANY_ADDRESS[family], ["LISTEN", "CLOSED"]
                )
                life.owner = server.who(server.pid)._replace(via="listen")
                # The process that closes the last descriptor is the closer.
                life.closer = [server.who(pid)._replace(via="close") for pid in server.pids]
                life.ended, life.bytes_sent, life.bytes_received = "closed", (0, None), (0, None)
        return server

    def conversation(self, family, ports, client, server, sent, received):
        """Expects both ends. `ports` and bytes are the client's, client and server are Who."""
        mine, theirs = ((LOOPBACK[family], port) for port in ports)
        near = self._promise("client", family, mine, theirs, ["SYN_SENT", "ESTABLISHED"])
        far = self._promise("server", family, theirs, mine, ["SYN_RECEIVED", "ESTABLISHED"])
        near.opened_by, far.opened_by = "local", "remote"
        near.owner, far.owner = client._replace(via="connect"), server._replace(via="accept")
        near.bytes_sent = far.bytes_received = sent
        near.bytes_received = far.bytes_sent = received
        return near, far

    def settle(self):
        """Waits until the servers are idle."""
        wait_for(self.netns.is_quiet, "nothing but TIME_WAIT to be left")

    def verify(self, expired=False):
        """At the end: all expected connections must have been printed, whole, and no others."""
        if expired:
            wait_for(
                self.netns.has_only_listeners,
                "every TIME_WAIT to expire",
                stalled_s=LONGEST_TIME_WAIT_S + STALLED_S,
            )
        else:
            self.settle()
        self._leave()
        self.tracer.wait_for(self._all_ended, f"the end of {len(self.lives)} connections")
        objects = self.tracer.stop()
        self._check(objects)
        return objects

    def _check(self, objects):
        lost = [item for item in objects if item["type"] == "lost" and item["cause"] != "recursion"]
        assert lost == [], "events were lost"
        pairs, left = assign(self.lives, self._ours(objects))
        wrong = []
        for life, printed in pairs:
            problems = Check(life, printed, objects[0]).problems
            if problems:
                wrong.append(explain(life, printed, problems))
        wrong += [f"not expected: {key}: {printed}" for key, printed in left.items()]
        assert not wrong, "\n\n".join(wrong)

    def _all_ended(self, objects):
        groups = self._ours(objects).values()
        return sum(items[-1]["type"] == "connection" for items in groups) >= len(self.lives)

    def _ours(self, objects):
        """The kernel gives the inode number of a namespace to the next one at once."""
        groups = group_by_connection(objects, self.netns.inum)
        return {key: items for key, items in groups.items() if items[0]["mono_ns"] < self._left_at}

    def _promise(self, role, family, local, remote, path):
        life = Life(role, family, local, remote, self.netns.inum)
        life.steps = [Step(state, None) for state in path]
        self.lives.append(life)
        return life

    def _leave(self):
        for server in self._servers:
            server.stop()
        if self._left_at is None:
            self._left_at = now()
            self.netns.close()


def ends(first, second, first_closer, second_closer, time_wait_at=None):
    """`first` sends its FIN first and gets the TIME_WAIT, which lasts as long as the namespace.

    Or its full time, where it is known when it began.
    """
    how = "expired" if time_wait_at else "netns"
    _ends(first, CLOSES_FIRST, "fin", "local", first_closer._replace(via="close"), how)
    _ends(second, CLOSES_SECOND, "fin", "remote", second_closer._replace(via="close"), None)
    if time_wait_at:
        first.last_arm = time_wait_at
        first.steps[-2:] = [Step("TIME_WAIT", time_wait_at), Step("CLOSED", TIMES_OUT_OF_TIME_WAIT)]


def aborts(first, second, closer):
    """`first` closes with an RST: both ends are CLOSED at once, without TIME_WAIT."""
    _ends(first, IS_RESET, "reset_sent", "local", closer._replace(via="close"), None)
    _ends(second, IS_RESET, "reset_received", "remote", None, None)


def _ends(life, path, ended, closed_by, closer, time_wait_ended):
    life.steps += [Step(state, None) for state in path]
    life.ends(ended, closed_by, time_wait_ended)
    life.closer = closer


def dwell_of(objects, life, state):
    """In nanoseconds, as the connection's object sums it up."""
    return next(
        item["dwell"][state]
        for item in objects
        if item["type"] == "connection"
        and (item["local"]["port"], item["remote"]["port"]) == (life.local[1], life.remote[1])
    )
