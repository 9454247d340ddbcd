# SPDX-License-Identifier: Apache-2.0
"""Programs that a test needs."""

import os
import shutil

import pytest

_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def program(name):
    """Its path. Without it the test is skipped, but not in CI: there it has to be installed."""
    found = shutil.which(name, path=_PATH)
    if found:
        return found
    reason = f"{name} is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason + ", and in CI it has to be")
    pytest.skip(reason)
