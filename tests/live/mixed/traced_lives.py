"""What the lines of a trace say there is: which connection was in which state at which moment."""
import bisect
import collections
from dataclasses import dataclass, field

from lib.lifecycle import endpoints

NAMELESS = (None, "0")


@dataclass
class Story:
    """One life of one socket."""
    netns: int
    local: tuple
    remote: tuple
    role: str
    cookie: object
    life: int
    times: list = field(default_factory=list)  # of the transitions
    states: list = field(default_factory=list)  # entered by each
    left: list = field(default_factory=list)  # left by each
    end: dict = None  # its connection object

    def state_at(self, at):
        index = bisect.bisect_right(self.times, at)
        return self.states[index - 1] if index else "CLOSED"

    def stays(self, begin, end):
        """The state that it is in all the time, or None."""
        first, last = (bisect.bisect_right(self.times, at) for at in (begin, end))
        return self.states[first - 1] if first == last and first else None

    @property
    def steps(self):
        return list(zip(self.left, self.states, self.times))

    @property
    def last(self):
        """(from, to) of its last transition."""
        return self.left[-1], self.states[-1]

    def __str__(self):
        path = " ".join(self.states)
        return f"{self.role} {self.local} {self.remote} cookie {self.cookie} in {self.netns}: {path}"


class Book:
    """All lives in some namespaces, as far as these objects tell them."""

    def __init__(self, objects, inums):
        self.stories, self._of, self._requests = [], {}, {}
        self.half_open_at_end = set()  # (netns, local, remote) of those that it could not tell yet
        inums = set(inums)
        for item in objects:
            if item.get("netns") in inums and item["type"] in ("transition", "connection"):
                self._add(item)
        self.by_ends = collections.defaultdict(list)
        for story in self.stories:
            self.by_ends[(story.netns, story.local, story.remote)].append(story)

    def _add(self, item):
        story = self._story(item)
        story.local, story.remote = endpoints(item)
        story.role = item["role"]
        if item["type"] == "connection":
            story.end = item
            return
        story.times.append(item["mono_ns"])
        story.left.append(item["from"])
        story.states.append(item["to"])

    def _story(self, item):
        """A request has no cookie; the socket that it becomes has, and is the same connection."""
        key = (item["netns"], *endpoints(item))
        if item["cookie"] in NAMELESS:
            story = self._requests.get(key)
            if story is None or (story.end and item["type"] == "transition"):
                story = self._requests[key] = self._new(item)
            return story
        name = (item["netns"], item["cookie"], item["life"])
        if name not in self._of:
            story = self._requests.pop(key, None)
            if story is None or story.end or item.get("from") == "CLOSED":
                story = self._new(item)
            story.cookie = item["cookie"]
            self._of[name] = story
        return self._of[name]

    def _new(self, item):
        story = Story(item["netns"], *endpoints(item), item["role"], None,
                      item["life"])
        self.stories.append(story)
        return story

    def at(self, netns, cookie, local, remote, moment):
        """The lives that can be meant, and are not over at that moment."""
        return [story for story in self.by_ends.get((netns, local, remote), ())
                if story.state_at(moment) != "CLOSED" and
                (not cookie or story.cookie in (*NAMELESS, cookie))]
