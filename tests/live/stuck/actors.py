"""Plays stories about stuck sockets, each in a process of its own."""
import os
import signal

from lib.child import Child

from .stage import Stage


class Cast:
    def __init__(self):
        self._children, self.stuck, self.failed = {}, {}, {}

    def add(self, name, story, netns, family):
        """The story starts at once; others may start meanwhile."""
        self._children[name] = Child(lambda child: _play(child, story, netns, family),
                                     story.__name__[:15].encode())

    def pid(self, name):
        return self._children[name].pid

    def set_up(self):
        """Waits until every scene is set."""
        for name in list(self._children):
            kind, value = self._children[name].told()
            if kind == "failed":
                self._over(name, value)
            else:
                self.stuck[name] = value

    def proceed(self, name):
        """One story goes on to its next scene."""
        self._children[name].tell()
        kind, self.stuck[name] = self._children[name].told()
        assert kind == "set", self.stuck[name]

    def release(self):
        """Every story goes on to its end."""
        for child in self._children.values():
            child.tell()
        for name in list(self._children):
            kind, value = self._children[name].told()
            self._over(name, value if kind == "failed" else None)

    def stop(self):
        """After something went wrong: nobody stays behind."""
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self._children.clear()

    def _over(self, name, problem):
        os.waitpid(self._children.pop(name).pid, 0)
        if problem:
            self.failed[name] = problem


def _play(child, story, netns, family):
    stage = Stage(netns, family)
    acts = story(stage)
    for _ in acts:
        child.tell(("set", stage.stuck))
        child.told()
