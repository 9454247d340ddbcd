"""Makes `lib` importable, refuses to run without what the tests need, and says so in one line."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))


def pytest_sessionstart(session):
    from lib.tracer import BINARY
    if os.geteuid() != 0:
        pytest.exit("the live tests trace the kernel: run them as root", returncode=1)
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"no tcpdwell at {BINARY}: build it, or set TCPDWELL_BIN", returncode=1)
