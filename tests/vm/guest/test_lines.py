# SPDX-License-Identifier: Apache-2.0
"""The lines of code of a Python program on this kernel."""
from lib import patience
from lib.run import PYTHON
from lib.tracer import BINARY
from test_where import SOURCES, Stuck, line_of
from test_where_events import flag_of_a_known_python, where
from test_where_run import LEAK, LEAK_OPENED, LEAK_READ


def test_trace():
    flag, start = flag_of_a_known_python([PYTHON, f"{SOURCES}/peek.py"])
    opened, eof_read = where(flag, "peek.py")
    assert opened[0] == ("connect", line_of("peek.py", "# connects"))
    if start["sees"]["eof_read"] == "exact":
        assert eof_read[0] == ("read", line_of("peek.py", "# reads"))
    else:
        assert start["sees"]["eof_read"] == "no" and flag["where"]["missing"] == {"eof_read": "not_seen"}


def test_run():
    report = patience.run([BINARY, "run", "--", PYTHON, "-c", LEAK]).stderr.decode()
    assert LEAK_OPENED in report, report
    with_end = patience.run([BINARY, "check"]).stdout.decode()
    seen = any(line.split()[:2] == ["eof_read", "exact"] for line in with_end.splitlines())
    assert (LEAK_READ in report) == seen, report


def test_leaks():
    with Stuck([PYTHON, f"{SOURCES}/stuck.py"]) as stuck:
        stack = stuck.thread_in("recvfrom")["stack"]
    assert [frame["function"] for frame in stack if frame["kind"] == "python"][:2] == ["Pool.wait", "handler"]
