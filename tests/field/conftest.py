# SPDX-License-Identifier: Apache-2.0
"""Real programs of the distribution, in namespaces of their own, stuck and healthy.

The helpers of the live tests (`lib`, `real`) are used here, too.
"""

import os
import shutil
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "live")]


def pytest_sessionstart(session):
    from lib.again import Again
    from lib.tracer import BINARY

    if os.geteuid() != 0:
        pytest.exit("the field tests trace the kernel: run them as root", returncode=1)
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"no tcpdwell at {BINARY}: build it, or set TCPDWELL_BIN", returncode=1)
    session.config.pluginmanager.register(Again(), "again")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "hidden_events: an event that this kernel hides from BPF can break it"
    )


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker("hidden_events")


@pytest.fixture
def folder():
    """A directory that an unprivileged server can read, too."""
    made = tempfile.mkdtemp(prefix="tcpdwell-field-")
    os.chmod(made, 0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def place():
    """A network namespace with a loopback; its programs end with the test."""
    from support.place import Place

    with Place() as made:
        yield made
