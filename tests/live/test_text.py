"""The text output, for people: aligned, coloured only on a terminal, harmless."""
import os
import pty
import re
import select
import signal
import subprocess

import pytest

from lib import patience
from lib.child import rename
from lib.patience import ended, wait_for
from lib.tracer import BINARY, Tracer
from test_behaviour import churn

pytestmark = pytest.mark.hidden_events

ESCAPE = "\x1b["


def text_of(*options, before=lambda: None, env=None, number=3):
    """The text output in a file, about a few connections."""
    with Tracer(*options, json_output=False, env=env) as tracer:
        churn(number, before=before)
        wait_for(lambda: read(tracer.output).count("→") >= 6 * number, "the transitions")
        tracer.process.send_signal(signal.SIGINT)
        assert ended(tracer.process) == 0
        return read(tracer.output)


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def transitions(text):
    return [line for line in text.split("\n") if "→" in line]


def test_no_colour_in_a_file():
    assert ESCAPE not in text_of()


def test_colour_when_asked():
    assert ESCAPE in text_of("--color", "always")


def test_colour_never():
    assert ESCAPE not in text_of("--color", "never")


def on_terminal(env, *options):
    """The output on a terminal."""
    ours, theirs = pty.openpty()
    with patience.start([BINARY, "trace", *options], stdout=theirs, stdin=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL, env={**os.environ, **env}) as tracer:
        os.close(theirs)
        said = b""
        try:
            while said.count("→".encode()) < 6:
                if not select.select([ours], [], [], 1)[0]:
                    churn(1)
                    continue
                said += os.read(ours, 65536)
        finally:
            tracer.send_signal(signal.SIGINT)
            ended(tracer)
            os.close(ours)
    return said.decode()


def test_colour_on_a_terminal():
    assert ESCAPE in on_terminal({"TERM": "xterm-256color", "NO_COLOR": ""})


def test_no_color_is_honoured():
    assert ESCAPE not in on_terminal({"TERM": "xterm-256color", "NO_COLOR": "1"})


def test_columns_are_aligned():
    """Each transition's arrow stands in one column, and the line fits 100 of them. Behind it is where
    it was, if connections of other namespaces were seen, too."""
    lines = [line.partition("  netns ")[0] for line in transitions(text_of("-4", number=5))]
    assert len({line.index("→") for line in lines}) == 1, "\n".join(lines)
    assert max(map(len, lines)) <= 100, max(lines, key=len)


def test_a_line_has_all_columns():
    """Local time, both endpoints, FROM → TO, the dwell, the owner."""
    line = next(each for each in transitions(text_of())
                if re.search(r"ESTABLISHED +→ +CLOSED", each))
    assert re.search(r"\d\d:\d\d:\d\d", line), line
    assert re.search(r"127\.0\.0\.1:\d+ .*127\.0\.0\.1:\d+", line), line
    assert re.search(r"\d(\.\d+)? ?(ns|µs|us|ms|s)\b", line), line
    assert "worker" in line, line


@pytest.mark.parametrize("comm", [b"\x1b[2J\x07\r\n\t", b"\xff\xfe\xc3(", b"\xc2\x9b31m\x7f"],
                         ids=["escape", "not_utf8", "c1_control"])
def test_comm_cannot_speak_to_the_terminal(comm):
    text = text_of(before=lambda: rename(comm))
    bad = [char for char in text if (ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160]
    assert not bad, bad


def test_quiet():
    """No header and no summary: transitions only."""
    text = text_of("-q", "--only", "transition")
    assert all("→" in line for line in text.splitlines() if line), text
