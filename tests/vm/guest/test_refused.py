"""A kernel that cannot be traced: one line that names what it lacks, status 2, nothing printed."""
import os
import re
import subprocess

import pytest

BINARY = os.environ["TCPDWELL_BIN"]


@pytest.mark.parametrize("command", [("trace", "-d", "1"), ("trace", "--json", "-d", "1"),
                                     ("leaks",)], ids=" ".join)
def test_refused(command):
    done = subprocess.run([BINARY, *command], capture_output=True, text=True, timeout=120,
                          check=False, stdin=subprocess.DEVNULL)
    print(done.stderr)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    line = done.stderr
    assert line.startswith("tcpdwell: ") and os.uname().release not in line
    assert "--verbose" not in line, "it does not say what is missing"
    assert not re.search(r"\b\d+\.\d+\b", line), "it names the missing feature, not a version"
