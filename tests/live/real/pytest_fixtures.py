# SPDX-License-Identifier: Apache-2.0
"""pytest's part of it. A test module names this one in `pytest_plugins`."""

import pytest

from real.fixture import ServerFixture


@pytest.fixture
def fixture(tmp_path, hidden):
    with ServerFixture(tmp_path) as fixture:
        hidden.lives(fixture.lives)  # as they will be
        yield fixture


@pytest.fixture(params=[4, 6], ids=["ipv4", "ipv6"])
def family(request):
    return request.param
