"""The list of scenarios. A scenario is a function that gets a World and tells one story in it."""
import itertools
from typing import NamedTuple

REGISTRY = {}


class Scenario(NamedTuple):
    name: str
    story: object
    family: int
    details: dict
    last: bool  # starts when every other namespace exists

    def __str__(self):
        return self.name


def scenario(families=(4, 6), last=False, **variants):
    """Registers a story once a family and, if there are variants, once a variant.

    `variants` maps a name's suffix to the keyword arguments of the story.
    """
    def register(story):
        cases = (variants or {"": {}}).items()
        for family, (suffix, details) in itertools.product(families, cases):
            name = "-".join(filter(None, (story.__name__, suffix, f"ipv{family}")))
            assert name not in REGISTRY, f"two scenarios are called {name}"
            REGISTRY[name] = Scenario(name, story, family, details, last)
        return story
    return register
