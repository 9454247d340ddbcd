# SPDX-License-Identifier: Apache-2.0
"""pytest's part of it. A test module names this one in `pytest_plugins`."""

import pytest

from real.stage import Stage


@pytest.fixture
def stage(tmp_path, hidden):
    with Stage(tmp_path) as stage:
        hidden.lives(stage.lives)  # as they will be
        yield stage


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def family(request):
    return request.param
