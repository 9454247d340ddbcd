"""Makes `lib` importable. Without a requirement of the tests it exits with one line that names it."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))


def pytest_collection_modifyitems(config, items):
    """TCPDWELL_FAMILIES=either: each test once, with IPv4 or with IPv6, by turns."""
    if os.environ.get("TCPDWELL_FAMILIES") != "either":
        return
    turns, left_out = {}, []
    for item in items:
        other = {"ipv4": "ipv6", "ipv6": "ipv4"}
        family = next((each for each in other if each in item.name), None)
        if family:
            test = item.name.replace(family, "")
            if turns.setdefault(test, ("ipv4", "ipv6")[len(turns) % 2]) != family:
                left_out.append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


def pytest_sessionstart(session):
    from lib.again import Again
    from lib.tracer import BINARY
    if os.geteuid() != 0:
        pytest.exit("the live tests trace the kernel: run them as root", returncode=1)
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"no tcpdwell at {BINARY}: build it, or set TCPDWELL_BIN", returncode=1)
    session.config.pluginmanager.register(Again(), "again")


def pytest_configure(config):
    config.addinivalue_line("markers", "hidden_events: an event that this kernel hides from BPF "
                                       "can break it (lib/again.py)")


@pytest.fixture
def hidden(request):
    """The hidden events that can break this test. See lib/again.py."""
    return request.config.pluginmanager.get_plugin("again").claim(request.node)
