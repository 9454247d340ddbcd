"""`tcpdwell run` as a way to start a command: statuses, streams, signals, terminal, user.

Needs no sockets. tests/unit/commands/command_test.cpp tests in detail what the command inherits.
"""
import fcntl
import os
import pty
import resource
import signal
import subprocess
import termios
import time

import pytest

from lib import patience
from lib.child import Child
from lib.run import Run, python, run
from lib.patience import wait_for
from lib.tracer import BINARY

# Counts a signal for a while after the first came, says how often, and ends with 3. A wakeup fd
# gets a byte each time; an interpreter's own handlers may take two for one.
COUNT = python("""
import os, select, signal, sys, time
number = getattr(signal, os.environ["COUNTED"])
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
signal.signal(number, lambda *_: None)
if "OWN_GROUP" in os.environ:
    os.setpgid(0, 0)
print("ready", os.getpid(), flush=True)
times = len(os.read(reader, 1))
print("first", flush=True)
while select.select([reader], [], [], 1)[0]:
    times += len(os.read(reader, 99))
print("came", times, flush=True)
os._exit(3)
""")


def shell(script, *arguments):
    return ["/bin/sh", "-c", script, "sh", *arguments]


def counted(name):
    return {**os.environ, "COUNTED": name}


# --- statuses -----------------------------------------------------------------------------------

@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -KILL $$", 137),
    ("kill -TERM $$", 143), ("kill -SEGV $$", 139)])
def test_status(script, status):
    assert run(shell(script)).status == status


def test_not_found():
    for name in ("no-such-command", "/no/such/command"):
        done = run([name])
        assert done.status == 127 and done.stdout == b"", done
        assert done.stderr.count("\n") == 1 and name in done.stderr, done


def test_not_executable(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("exit 0\n")
    for name in (str(plain), "/"):
        done = run([name])
        assert done.status == 126 and done.stdout == b"", done
        assert done.stderr.count("\n") == 1 and name in done.stderr, done


OWN_FAILURES = {
    "unknown_option": (["--bogus"], "--bogus"), "bad_duration": (["--exit-grace", "5x"], "5x"),
    "unknown_state": (["--flag", "SLEEPING=1s"], "SLEEPING"),
    "bad_code": (["--leak-exit-code", "256"], "256"),
    "unknown_user": (["--user", "no-such-user"], "no-such-user"),
    "unwritable_output": (["--json", "-o", "/proc/no/such"], "/proc/no/such"),
}


@pytest.mark.parametrize("name", OWN_FAILURES)
def test_own_failure(name):
    """125, one line on stderr, and nothing was executed."""
    options, word = OWN_FAILURES[name]
    done = run(["echo", "executed"], *options, report="text")
    assert done.status == 125 and done.stdout == b"", done
    assert done.stderr.count("\n") == 1 and word in done.stderr, done


@pytest.mark.parametrize("arguments", [[], ["--"]], ids=["nothing", "dashes"])
def test_no_command(arguments):
    done = patience.run([BINARY, "run", *arguments])
    assert done.returncode == 125 and done.stdout == b"" and done.stderr.count(b"\n") == 1, done


@pytest.mark.parametrize("before, word", [
    (["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], "root"),
    (["unshare", "-m", "sh", "-c",
      'mount --bind /dev/null /sys/kernel/btf/vmlinux && exec "$@"', "sh"],
     "CONFIG_DEBUG_INFO_BTF")], ids=["not_root", "no_btf"])
def test_where_it_cannot_trace(before, word):
    done = patience.run([*before, BINARY, "run", "--", "echo", "executed"], text=True)
    assert done.returncode == 125 and done.stdout == "", done
    assert done.stderr.count("\n") == 1 and word in done.stderr, done


# --- streams ------------------------------------------------------------------------------------

@pytest.mark.parametrize("report", ["json", "text"])
def test_stdin_and_stdout_are_the_commands(report):
    data = bytes(range(256)) * 1000
    done = run(["cat"], report=report, data=data)
    assert done.status == 0 and done.stdout == data


def test_stderr_is_the_commands_too():
    done = run(shell("echo oops >&2"))
    assert done.status == 0 and done.stderr == "oops\n", "nothing leaked: nothing else to say"


def test_end_of_stdout_is_seen():
    """tcpdwell does not hold the command's stdout open."""
    with Run(shell("exec >&-; read line; exit 6")) as running:
        assert running.process.stdout.read() == b""
        assert running.process.poll() is None
        running.tell()
        assert running.wait().status == 6


def test_arguments_and_options_after_the_dashes_are_the_commands():
    done = run(shell('printf "[%s]" "$@"', "--json", "-o", "", "a b", "--", "--help"))
    assert done.stdout == b"[--json][-o][][a b][--][--help]" and done.status == 0, done


def test_descendants_are_not_waited_for():
    """One that outlives the command holds its stdin."""
    script = "(read line; echo late) <&3 & echo $!; exit 4"
    with Run(shell(f"exec 3<&0; {script}")) as running:
        pid = int(running.line())
        assert running.wait().status == 4
        os.kill(pid, 0)
        running.tell()
        assert running.line() == "late"


@pytest.mark.parametrize("report", [[], ["--json"]], ids=["text", "json"])
def test_the_reader_of_the_report_goes_away(report):
    """The command is not disturbed, and the status is the command's."""
    script = "echo ready >&2; read line; echo alive; exit 7"
    with patience.start([BINARY, "run", *report, "--", *shell(script)], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.stderr.readline() != b"ready\n":
            assert process.poll() is None
        process.stderr.close()
        time.sleep(0.5)
        assert process.poll() is None
        assert patience.communicate(process, b"\n")[0] == b"alive\n"
        assert process.returncode == 7


# --- the user -----------------------------------------------------------------------------------

def test_user():
    done = run(shell("id -un; id -G; echo $USER; grep CapEff /proc/self/status"), "--user",
               "nobody")
    assert done.status == 0, done
    assert done.stdout.split()[:3] == [b"nobody", b"65534", b"nobody"], done
    assert int(done.stdout.split()[-1], 16) == 0


# --- signals ------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1"])
def test_a_signal_to_tcpdwell_reaches_the_command_once(name):
    with Run(COUNT, env=counted(name)) as running:
        assert running.line().startswith("ready")
        running.process.send_signal(getattr(signal, name))
        done = running.done()
    assert done.stdout == b"first\ncame 1\n" and done.status == 3, done


def test_a_signal_that_ends_the_command():
    with Run(shell("echo ready; exec cat")) as running:
        running.line()
        running.process.terminate()
        assert running.wait().status == 143


def test_the_command_outlives_a_killed_tcpdwell():
    with Run(shell("echo ready; read line; echo alive")) as running:
        running.line()
        running.process.kill()
        patience.ended(running.process)
        running.tell()
        assert running.line() == "alive"


# --- the terminal -------------------------------------------------------------------------------

class Terminal:
    """The side of a pseudo terminal that a person sits at."""

    def __init__(self, fd):
        self.fd, self.seen = fd, b""

    def types(self, key):
        os.write(self.fd, key)

    def shows(self, text):
        """Everything up to the text, which must come."""
        while text not in self.seen:
            patience.readable(self.fd, f"{text!r} after {self.seen!r}")
            try:
                block = os.read(self.fd, 4096)
            except OSError:  # EIO: no process has it open any more
                block = b""
            assert block, f"the terminal closed after {self.seen!r}"
            self.seen += block
        before, _, self.seen = self.seen.partition(text)
        return before


def state_in_proc(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("key, name", [(b"\x03", "SIGINT"), (b"\x1c", "SIGQUIT")],
                         ids=["Ctrl-C", "Ctrl-backslash"])
def test_key_reaches_the_command_once(key, name):
    """The terminal sends the signal to both.

    tcpdwell sees it only after the command did: of two at once the kernel would make one.
    """
    pid, ours = pty.fork()
    if pid == 0:
        os.execve(BINARY, [BINARY, "run", "--", *COUNT], counted(name))
    terminal = Terminal(ours)
    try:
        terminal.shows(b"ready")
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: state_in_proc(pid) == "T", "a stopped tcpdwell")
        terminal.types(key)
        terminal.shows(b"first")
        os.kill(pid, signal.SIGCONT)
        terminal.shows(b"came 1\r\n")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    finally:
        os.close(ours)


def test_key_for_a_command_in_a_group_of_its_own():
    """The terminal's signals do not reach it there, so tcpdwell forwards them."""
    pid, ours = pty.fork()
    if pid == 0:
        os.execve(BINARY, [BINARY, "run", "--", *COUNT], {**counted("SIGINT"), "OWN_GROUP": "1"})
    terminal = Terminal(ours)
    try:
        terminal.shows(b"ready")
        terminal.types(b"\x03")
        terminal.shows(b"came 1\r\n")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    finally:
        os.close(ours)


def test_the_command_has_a_terminal():
    pid, ours = pty.fork()
    if pid == 0:
        os.execv(BINARY, [BINARY, "run", "--", *shell("test -t 0 && test -t 1 && tty && exit 9")])
    try:
        Terminal(ours).shows(b"/dev/pts/")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    finally:
        os.close(ours)


def wait_status(pid, options=0):
    """waitpid() that does not hang for ever."""
    return wait_for(lambda: (got := os.waitpid(pid, options | os.WNOHANG))[0] and (got[1],),
                    f"news of {pid}")[0]


def job(theirs):
    """Starts a job in the foreground of the terminal `theirs`, as a shell does. Returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    os.setpgid(0, 0)
    os.tcsetpgrp(theirs, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    for fd in (0, 1, 2):
        os.dup2(theirs, fd)
    os.execve(BINARY, [BINARY, "run", "--", *COUNT], counted("SIGINT"))


def test_the_terminal_of_the_report_hangs_up():
    """Neither the command nor its status depends on it."""
    ours, theirs = pty.openpty()
    script = "echo ready; read line; echo alive; exit 7"
    with patience.start([BINARY, "run", "--json", "--", *shell(script)], stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, stderr=theirs) as process:
        assert process.stdout.readline() == b"ready\n"
        for fd in (ours, theirs):
            os.close(fd)
        time.sleep(0.5)
        assert process.poll() is None
        assert patience.communicate(process, b"\n")[0] == b"alive\n"
        assert process.returncode == 7


def test_stop_and_continue():
    """Ctrl-Z stops tcpdwell and the command, fg continues both."""
    ours, theirs = pty.openpty()

    def shell_with_job_control(_):
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        pid = job(theirs)
        terminal = Terminal(ours)
        terminal.shows(b"ready ")
        command = int(terminal.shows(b"\r\n"))
        terminal.types(b"\x1a")
        stopped = os.WIFSTOPPED(wait_status(pid, os.WUNTRACED))
        wait_for(lambda: state_in_proc(command) == "T", "a stopped command")
        os.killpg(pid, signal.SIGCONT)
        wait_for(lambda: state_in_proc(command) != "T", "a running command")
        terminal.types(b"\x03")
        terminal.shows(b"came 1\r\n")
        return stopped, os.waitstatus_to_exitcode(wait_status(pid))

    stopped, status = Child(shell_with_job_control).result()
    for fd in (ours, theirs):
        os.close(fd)
    assert stopped and status == 3


def test_start_is_quick():
    """Who wraps every test of a suite in it pays this each time. CPU time: a busy machine adds to
    how long it takes, not to what it costs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run(["true"]).status == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3
