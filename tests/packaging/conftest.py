# SPDX-License-Identifier: Apache-2.0
"""Man pages, completions, units and packages. The helpers of the live tests are used here, too."""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE.parent / "live")]
BINARY = pathlib.Path(os.environ.get("TCPDWELL_BIN", ROOT / "build/tcpdwell")).resolve()


@pytest.fixture(scope="session")
def commands():
    text = subprocess.run([BINARY, "__complete", ""], capture_output=True, text=True, check=True).stdout
    return [line.split("\t")[0] for line in text.splitlines()]


@pytest.fixture(scope="session")
def options_of():
    """The long options in the help text of a command."""
    import re

    def of(command):
        text = subprocess.run([BINARY, *([command] if command else []), "--help"], capture_output=True,
                              text=True, check=True).stdout
        return set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.M))
    return of
