# SPDX-License-Identifier: Apache-2.0
"""Completion in the real shells, and that it knows every option."""
import os
import pty
import re
import select
import shutil
import subprocess
import time

import pytest

from conftest import BINARY, ROOT

SCRIPTS = ROOT / "packaging/completions"
ENVIRONMENT = {**os.environ, "PATH": f"{BINARY.parent}:{os.environ['PATH']}", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def complete(*words):
    done = subprocess.run([BINARY, "__complete", *words], capture_output=True, text=True, check=True)
    assert not done.stderr
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


def test_every_option_of_every_command_is_completed(commands, options_of):
    for command in commands:
        if command != "help":
            known = set(complete(command, "--"))
            for below in complete(command, "FILE", "") if command == "replay" else []:
                known |= set(complete(command, "FILE", below, "--"))
            assert options_of(command) - known == set(), command
            assert known - options_of(command) == set(), f"{command} refuses it"


@pytest.mark.parametrize("words,wanted", [
    (["sta"], ["stats"]), (["stats", "--by", "re"], ["remote"]), (["--flag", "ACC"], ["ACCEPT="]),
    (["--flag=CLOSE_W"], ["--flag=CLOSE_WAIT="]), (["--state", "ESTABLISHED,CLOSI"], ["ESTABLISHED,CLOSING"]),
    (["--state=ESTABLISHED,CLOSI"], ["--state=ESTABLISHED,CLOSING"]), (["--only", "transition,f"], ["transition,flag"]),
    (["--netns", "se"], ["self"]), (["record", "-o", ""], [":files"]), (["replay", ""], [":files"]),
    (["replay", "FILE", "st"], ["stats"]), (["replay", "FILE", "stats", "--hist"], ["--histogram"]),
    (["run", "--", "true", ""], [":commands"]), (["export", "--tex"], ["--textfile"]), (["help", "eof_r"], ["eof_read"]),
    (["top", "--js"], []), (["--duration", "5"], []), (["nonsense", "x"], [])])
def test_candidates(words, wanted):
    assert complete(*words) == wanted


def bash(*words):
    line = " ".join(f"'{word}'" for word in ("tcpdwell", *words))
    script = (f"source {SCRIPTS}/tcpdwell.bash; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _tcpdwell; "
              "printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    assert not done.stderr
    return done.stdout.split()


def test_bash(tmp_path):
    assert bash("sta") == ["stats"]
    assert bash("stats", "--by", "re") == ["remote"]
    # bash itself splits at "=".
    assert bash("--flag", "=", "CLOSE_W") == ["CLOSE_WAIT="]
    (tmp_path / "some recording.tdw").touch()
    assert bash("replay", f"{tmp_path}/some")[-1].endswith("recording.tdw")


def test_fish(tmp_path):
    script = tmp_path / "fish/completions/tcpdwell.fish"
    script.parent.mkdir(parents=True)
    shutil.copy(SCRIPTS / "tcpdwell.fish", script)

    def fish(line):
        done = subprocess.run(["fish", "-c", f"complete -C '{line}'"], capture_output=True, text=True,
                              env={**ENVIRONMENT, "XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}, check=True)
        return [each.split("\t")[0] for each in done.stdout.splitlines()]
    assert fish("tcpdwell sta") == ["stats"]
    assert "--textfile" in fish("tcpdwell export --")
    assert fish("tcpdwell --state CLOSE_W") == ["CLOSE_WAIT"]


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, argv, environment):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, environment)
        self.text = ""

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, wanted, seconds=60):
        until = time.monotonic() + seconds
        while wanted not in self.text:
            assert time.monotonic() < until, f"waited for {wanted!r}: {self.text!r}"
            if select.select([self.fd], [], [], 1)[0]:
                more = os.read(self.fd, 65536).decode(errors="replace")
                self.text += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]", "", more)
        self.text = self.text[self.text.index(wanted) + len(wanted):]

    def end(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def test_zsh(tmp_path):
    shutil.copy(SCRIPTS / "_tcpdwell", tmp_path)
    zsh = Terminal(["zsh", "-f"], {**ENVIRONMENT, "PS1": "ready> ", "HOME": str(tmp_path), "ZDOTDIR": str(tmp_path)})
    try:
        zsh.wait_for("ready> ")
        zsh.type(f"fpath=({tmp_path} $fpath); autoload -U compinit; compinit -u -D; print done-{1 + 1}\r")
        zsh.wait_for("done-2\r")
        zsh.type("tcpdwell sta\t")
        zsh.wait_for("stats")
        zsh.type("\x15tcpdwell --flag CLOSE_W\t")
        zsh.wait_for("CLOSE_WAIT=")
        zsh.type("\x15tcpdwell export --tex\t")
        zsh.wait_for("--textfile")
    finally:
        zsh.end()
