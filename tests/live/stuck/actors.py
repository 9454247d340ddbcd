"""Runs scenarios with stuck sockets, each in a process of its own."""
import os
import signal

from lib.child import Child

from .fixture import LoopbackFixture


class Actors:
    def __init__(self):
        self._children, self.stuck, self.failed = {}, {}, {}

    def add(self, name, scenario, netns, family):
        """Starts the scenario. Does not wait for it."""
        self._children[name] = Child(lambda child: _run(child, scenario, netns, family),
                                     scenario.__name__[:15].encode())

    def pid(self, name):
        return self._children[name].pid

    def set_up(self):
        """Waits until the sockets of every scenario are stuck."""
        for name in list(self._children):
            kind, value = self._children[name].told()
            if kind == "failed":
                self._over(name, value)
            else:
                self.stuck[name] = value

    def proceed(self, name):
        """Lets one scenario continue to its next yield."""
        self._children[name].tell()
        kind, self.stuck[name] = self._children[name].told()
        assert kind == "set", self.stuck[name]

    def release(self):
        """Lets every scenario continue to its end."""
        for child in self._children.values():
            child.tell()
        for name in list(self._children):
            kind, value = self._children[name].told()
            self._over(name, value if kind == "failed" else None)

    def stop(self):
        """After a failure: kills all processes."""
        for child in self._children.values():
            os.kill(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self._children.clear()

    def _over(self, name, problem):
        os.waitpid(self._children.pop(name).pid, 0)
        if problem:
            self.failed[name] = problem


def _run(child, scenario, netns, family):
    fixture = LoopbackFixture(netns, family)
    steps = scenario(fixture)
    for _ in steps:
        child.tell(("set", fixture.stuck))
        child.told()
