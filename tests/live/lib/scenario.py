"""The list of scenarios. A scenario is a function that gets a Fixture."""
import itertools
from typing import NamedTuple

REGISTRY = {}


class Scenario(NamedTuple):
    name: str
    function: object
    family: int
    details: dict
    last: bool  # starts when every other namespace exists

    def __str__(self):
        return self.name


def scenario(families=(4, 6), last=False, **variants):
    """Registers a function once a family and, if there are variants, once a variant.

    `variants` maps a name's suffix to the keyword arguments of the function.
    """
    def register(function):
        cases = (variants or {"": {}}).items()
        for family, (suffix, details) in itertools.product(families, cases):
            name = "-".join(filter(None, (function.__name__, suffix, f"ipv{family}")))
            assert name not in REGISTRY, f"two scenarios have the name {name}"
            REGISTRY[name] = Scenario(name, function, family, details, last)
        return function
    return register
