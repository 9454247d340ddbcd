# SPDX-License-Identifier: Apache-2.0
"""The lines of code of a Python program, and of one without frame pointers, on this kernel."""
import os

from lib import patience
from lib.run import PYTHON
from lib.tracer import BINARY
from test_where import SOURCES, Stuck, line_of
from test_where_events import check_go, flag_of_a_known_python, flags_of, program_frames, where
from test_where_run import LEAK, LEAK_OPENED, LEAK_READ

# By a tracepoint since 6.3; before, by functions, which arm64 shows since 6.4.
SEEN = "no" if os.uname().machine == "aarch64" and os.uname().release.startswith("6.1.") else "exact"


def test_trace():
    flag, start = flag_of_a_known_python([PYTHON, f"{SOURCES}/peek.py"])
    opened, eof_read = where(flag, "peek.py")
    assert opened[0] == ("connect", line_of("peek.py", "# connects"))
    assert start["sees"]["eof_read"] == SEEN
    if SEEN == "exact":
        assert eof_read[0] == ("read", line_of("peek.py", "# reads"))
    else:
        assert flag["where"]["missing"] == {"eof_read": "not_seen"}


def test_run():
    report = patience.run([BINARY, "run", "--", PYTHON, "-c", LEAK]).stderr.decode()
    assert LEAK_OPENED in report, report
    checked = [line.split()[:2] for line in patience.run([BINARY, "check"]).stdout.decode().splitlines()]
    assert ["eof_read", SEEN] in checked
    assert (LEAK_READ in report) == (SEEN == "exact"), report


def test_leaks():
    with Stuck([PYTHON, f"{SOURCES}/stuck.py"]) as stuck:
        stack = stuck.thread_in("recvfrom")["stack"]
    assert [frame["function"] for frame in stack if frame["kind"] == "python"][:2] == ["Pool.wait", "handler"]


def test_native():
    """By the tables of this architecture."""
    (flag,), _ = flags_of(["/usr/bin/stuck"])
    opened, eof_read = where(flag, "stuck.c")
    assert opened == [("main", line_of("stuck.c", "served = accept("))]
    if SEEN == "exact":
        assert [frame[0] for frame in eof_read] == ["serve", "main"]
        assert eof_read[0][1] == line_of("stuck.c", "while (read(")
    with Stuck(["/usr/bin/stuck"]) as stuck:
        blocked = program_frames(stuck.thread_in("read")["stack"], "stuck.c")
    assert [frame[0] for frame in blocked] == ["wait_inlined", "ask_backend", "serve", "main"]
    assert blocked[0][1] == line_of("stuck.c", "/* blocked */")


def test_go():
    (flag,), _ = flags_of(["/usr/bin/stuck_go"])
    check_go(flag, SEEN == "exact")
