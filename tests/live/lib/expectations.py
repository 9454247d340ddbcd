"""The base of comparisons of the tracer's output with expected facts. Problems are collected, not raised, so that
one run shows all of them."""
import json


class Expectations:
    """`problems` says what is wrong, in words."""

    def __init__(self, objects):
        self.objects, self.problems = objects, []

    def _true(self, fits, text):
        if not fits:
            self.problems.append(text)

    def _same(self, name, got, wanted):
        self._true(got == wanted, f"{name} is {got!r}, but the truth is {wanted!r}")

    def _explain(self, about, *facts):
        lines = [about] + [f"  wrong: {problem}" for problem in self.problems] + list(facts)
        lines += ["  tcpdwell printed:" if self.objects else "  tcpdwell printed nothing"]
        lines += ["    " + json.dumps(item, separators=(",", ":")) for item in self.objects]
        return "\n".join(lines)
