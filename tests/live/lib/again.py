"""A pytest plugin: repeats a test that failed and was hit by a hidden event, or by a walk.

A test declares that such an event can break it, and which events matter:

    pytestmark = pytest.mark.hidden_events      any event since its fixtures were set up, or
    hidden.lives(lives), hidden.ports(ports)    only those of these connections

    hidden.held_by_walk()       the tracer's walk held a descriptor while its process closed it

A failure without such an event is final. A failure with one is repeated after the rest of
the file, with new fixtures, and again whenever it is hit again, at most ROUNDS times.
Without a witness no test is repeated. The summary counts the repetitions.
"""
import collections
import os

import pytest

from .clock import now
from .hidden import Witness, about_lives, about_ports

ROUNDS = 5
SUMMARY = os.environ.get("TCPDWELL_SUMMARY")  # a file: it goes there, too


class Claim:
    """The fixture `hidden`: the events that can break this test."""

    def __init__(self, plugin, item):
        self._plugin, self._item, self._mine, self.is_held = plugin, item, None, False

    @property
    def narrowed(self):
        return self._mine is not None

    def lives(self, lives):
        """Only events of these connections."""
        self._mine = lambda events: about_lives(events, lives)

    def ports(self, ports):
        """Only events with one of these ports, and timers, which have none."""
        self._mine = lambda events: about_ports(events, ports)

    def held_by_walk(self):
        """The kernel ended a socket when a walk let go of it, later than the test closed it."""
        self.is_held = True

    def events(self):
        """All events since the setup of the test's fixtures."""
        return self._plugin.events_of(self._item)

    def transitions(self):
        """The number of transitions among the test's own events."""
        return sum(event["event"] == "inet_sock_set_state" for event in self.of(self.events()))

    def of(self, events):
        return self._mine(events) if self._mine else events


class Again:
    def __init__(self, witness=None):
        self.witness, self._began, self._claims = witness or Witness(), {}, {}
        self._queue, self._last_round, self.played, self.hit = [], False, [], 0

    def claim(self, item):
        return self._claims.setdefault(item.nodeid, Claim(self, item))

    def events_of(self, item):
        names = getattr(item, "fixturenames", ())
        since = min(self._began[name] for name in (*names, item.nodeid) if name in self._began)
        return self.witness.events(since)

    def _is_hit(self, item):
        claim = self.claim(item)
        if claim.is_held:
            return True
        return bool(not self.witness.why and (claim.narrowed or item.get_closest_marker("hidden_events"))
                    and claim.of(self.events_of(item)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef):
        self._began[fixturedef.argname] = now()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        self._began[item.nodeid] = now()
        self._claims.pop(item.nodeid, None)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item):
        report = (yield).get_result()
        if not report.failed or report.when == "teardown" or item in self._queue:
            return
        if self._is_hit(item):
            self.hit += 1
            if not self._last_round:
                report.outcome = "hidden"
                self._queue.append(item)

    def pytest_report_teststatus(self, report):
        if report.outcome == "hidden":
            return "hidden", "H", "HIT BY A HIDDEN EVENT"
        return None

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtestloop(self, session):
        yield
        whole = session.items
        for number in range(ROUNDS):
            if not self._queue:
                break
            session.items, self._queue = self._queue, []
            self._last_round = number == ROUNDS - 1
            self._play(session.items)
        session.items = whole

    def _play(self, items):
        for item, following in zip(items, [*items[1:], None]):
            self.played.append(item.name)
            item._initrequest()  # pytest has no public way to run an item twice
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def pytest_terminal_summary(self, terminalreporter):
        names = ", ".join(dict.fromkeys(self.played))
        if self.witness.why:
            said = f"no witness of hidden events, so nothing is played again: {self.witness.why}"
        else:
            said = f"hidden events: {len(self.witness.events())} seen, " \
                   f"{self.hit} tests failed and hit by one, {len(self.played)} played again"
            said += f": {names}" if names else ""
            if self.witness.lost:
                said += f"; {self.witness.lost} times the witness was too slow"
        terminalreporter.write_line(said)
        for report in terminalreporter.stats.get("hidden", []):
            terminalreporter.write_line(f"hit by a hidden event: {report.nodeid}\n"
                                        f"{report.longreprtext}")
        if SUMMARY:
            self._summarize(terminalreporter, said)

    def _summarize(self, terminalreporter, said):
        """For a whole run of ctest: the numbers, and important lines."""
        files = {report.nodeid.partition("::")[0] for reports in terminalreporter.stats.values()
                 for report in reports if getattr(report, "nodeid", "")}
        name = " ".join(sorted(files))
        lines = [f"# {self.hit} {len(self.played)}"]
        lines += [said] if self.witness.why else [f"{name}: {said}"] if self.hit else []
        lines += [f"{name}: skipped, {number} times: {reason}"
                  for reason, number in self._skipped(terminalreporter).items()]
        with open(SUMMARY, "a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")

    @staticmethod
    def _skipped(terminalreporter):
        return collections.Counter(report.longrepr[2].removeprefix("Skipped: ")
                                   for report in terminalreporter.stats.get("skipped", []))

    def pytest_unconfigure(self):
        self.witness.close()
