"""The lines of code that `leaks --where` shows: where the threads of a socket's holder wait.

Each program of tests/live/where has a socket in CLOSE_WAIT, and waits in a line that ends in "blocked",
called from the line that ends in "calls it".
"""
import glob
import os
import shutil
import subprocess

import pytest

from lib import patience
from lib.child import dies_with_parent
from lib.netns import Netns
from lib.run import PYTHON
from lib.tracer import BINARY
from test_leaks import flags

pytestmark = pytest.mark.hidden_events

SOURCES = os.path.join(os.path.dirname(__file__), "where")
LEAKS = ("leaks", "--where", "--flag", "CLOSE_WAIT=1ms", "--netns")
NO_FRAME_POINTERS = ("-O2", "-g", "-fomit-frame-pointer")


def line_of(source, words):
    with open(os.path.join(SOURCES, source), encoding="ascii") as file:
        found, = [number for number, line in enumerate(file, 1) if words in line]
    return found


def build(tmp_path, name, *command, env=None):
    """The program, or a skip if its compiler is missing."""
    if not shutil.which(command[0]):
        pytest.skip(f"no {command[0]} here")
    program = str(tmp_path / name)
    subprocess.run([*command[:1], *[word.format(out=program, src=SOURCES) for word in command[1:]]],
                   check=True, capture_output=True, env={**os.environ, **(env or {})}, cwd=tmp_path)
    return program


class Stuck:
    """A running program, in a namespace of its own."""

    def __init__(self, command, **options):
        before = Netns.current()
        self.netns = Netns.create()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=dies_with_parent,
                                        **options)
        before.enter()
        before.close()
        assert self.process.stdout.readline() == b"ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.netns.close()

    def leaks(self, *options):
        """Once its threads wait: the stack of the one that is called `blocked`, and all flags."""
        def found():
            done = patience.run([BINARY, *LEAKS, str(self.netns.inum), *options])
            return done if done.returncode == 1 else None
        result = []
        patience.wait_for(lambda: result.append(found()) or result[-1], "the leak",
                          lambda: len(result), every_s=0.05)
        return result[-1].stdout

    def blocked(self, *options):
        flag, = flags(self.leaks("--json", *options))
        assert flag["where"]["opened"] is None
        assert flag["where"]["missing"] == {"opened": "older", "eof_read": "older"}
        assert {thread["pid"] for thread in flag["where"]["blocked"]} == {self.process.pid}
        return flag["where"]["blocked"]

    def thread_in(self, call, *options):
        """It may not have reached the call: the flag's thresholds are shorter than that takes."""
        found = []

        def waits():
            found[:] = [each for each in self.blocked(*options)
                        if each["call"] == call and each["missing"] is None]
            return found
        patience.wait_for(waits, f"a thread in {call}", lambda: str(found), every_s=0.05)
        return found[0]


def named(stack, names):
    """The frames with these function names, as (function, line, base name of the file)."""
    return [(frame["function"].partition("(")[0], frame["line"], os.path.basename(frame["file"] or ""))
            for frame in stack if frame["function"] and frame["function"].partition("(")[0] in names]


C_FRAMES = ("wait_inlined", "ask_backend", "serve")


@pytest.mark.parametrize("compiler", [
    ("gcc", *NO_FRAME_POINTERS), ("gcc", *NO_FRAME_POINTERS, "-static"),
    ("gcc", *NO_FRAME_POINTERS, "-no-pie"), ("g++", *NO_FRAME_POINTERS),
    ("clang", *NO_FRAME_POINTERS), ("clang", *NO_FRAME_POINTERS, "-gdwarf-4")],
    ids=lambda command: command[0] + command[-1])
def test_c(tmp_path, compiler):
    with Stuck(build(tmp_path, "stuck", *compiler, "-o", "{out}", "{src}/stuck.c")) as stuck:
        thread = stuck.thread_in("read")
    assert thread["fd"] > 2 and thread["peer"]["addr"] == "127.0.0.1"
    blocked, calls = line_of("stuck.c", "/* blocked */"), line_of("stuck.c", "/* calls it */")
    inlined, middle, outer = named(thread["stack"], C_FRAMES)
    assert inlined == ("wait_inlined", blocked, "stuck.c")
    assert middle[0] == "ask_backend" and middle[1] > blocked
    assert outer == ("serve", calls, "stuck.c")
    assert not any(frame.get("truncated") for frame in thread["stack"])


def test_stripped_and_with_symbols_elsewhere(tmp_path):
    """Module and offset are right for addr2line; --symbols finds the unstripped file by its build id."""
    program = build(tmp_path, "stuck", "gcc", *NO_FRAME_POINTERS, "-Wl,--build-id", "-o", "{out}",
                    "{src}/stuck.c")
    (tmp_path / "symbols").mkdir()
    whole = shutil.copy(program, tmp_path / "symbols" / "of another name")
    subprocess.run(["strip", program], check=True)
    with Stuck(program) as stuck:
        bare = stuck.thread_in("read")["stack"]
        full = stuck.thread_in("read", "--symbols", str(tmp_path / "symbols"))["stack"]
    assert not named(bare, C_FRAMES)
    own = [frame["offset"] for frame in bare if frame["module"] == program]
    assert all(frame["function"] is None for frame in bare if frame["module"] == program)
    places = subprocess.run(["addr2line", "-f", "-e", whole, *[hex(offset) for offset in own[:2]]],
                            check=True, capture_output=True, text=True).stdout.split("\n")
    assert {"wait_inlined", "ask_backend"} & {places[0]} and places[2] == "serve", places
    assert places[3].endswith(f"stuck.c:{line_of('stuck.c', '/* calls it */')}")
    assert [each[0] for each in named(full, C_FRAMES)] == list(C_FRAMES)


def test_symbols_of_another_build_are_not_used(tmp_path):
    flags_of_build = (*NO_FRAME_POINTERS, "-Wl,--build-id")
    program = build(tmp_path, "stuck", "gcc", *flags_of_build, "-o", "{out}", "{src}/stuck.c")
    (tmp_path / "symbols").mkdir()
    other = build(tmp_path, "other", "gcc", *flags_of_build, "-O0", "-o", "{out}", "{src}/stuck.c")
    shutil.copy(other, tmp_path / "symbols" / "stuck.debug")
    subprocess.run(["strip", program], check=True)
    with Stuck(program) as stuck:
        assert not named(stuck.thread_in("read", "--symbols", str(tmp_path / "symbols"))["stack"], C_FRAMES)


def test_deleted_and_replaced(tmp_path):
    """The mapped file is read, not what is at its path now."""
    program = build(tmp_path, "stuck", "gcc", *NO_FRAME_POINTERS, "-o", "{out}", "{src}/stuck.c")
    with Stuck(program) as stuck:
        os.unlink(program)
        shutil.copy("/bin/true", program)
        stack = stuck.thread_in("read")["stack"]
    assert [each[0] for each in named(stack, C_FRAMES)] == list(C_FRAMES)


def test_rust(tmp_path):
    program = build(tmp_path, "stuck", "rustc", "-O", "-g", "-o", "{out}", "{src}/stuck.rs")
    with Stuck(program) as stuck:
        stack = stuck.thread_in("recvfrom")["stack"]
    assert named(stack, ("stuck::Pool::wait", "<stuck::Pool>::wait", "stuck::serve")) in (
        [(wait, line_of("stuck.rs", "// blocked"), "stuck.rs"),
         ("stuck::serve", line_of("stuck.rs", "// calls it"), "stuck.rs")]
        for wait in ("stuck::Pool::wait", "<stuck::Pool>::wait"))


STRIPPED = ("-ldflags", "-s -w")
BY_C = ("-buildmode=pie", "-ldflags", "-s -w -linkmode=external")  # the default of distributions, with cgo


@pytest.mark.parametrize("linker", [(), STRIPPED, BY_C], ids=["whole", "stripped", "linked_by_c"])
def test_go(tmp_path, linker):
    program = build(tmp_path, "stuck", "go", "build", *linker, "-o", "{out}", "{src}/stuck.go",
                    env={"GO111MODULE": "off", "GOCACHE": str(tmp_path / "cache"), "GOFLAGS": ""})
    with Stuck(program) as stuck:
        stack = stuck.thread_in("read")["stack"]
    blocked, calls = named(stack, ("main.readPipe", "main.serve"))
    # syscall.Read is inlined in readPipe: without DWARF nothing says which line calls it.
    assert blocked == (("main.readPipe", None, "") if linker else
                       ("main.readPipe", line_of("stuck.go", "// blocked"), "stuck.go"))
    assert calls == ("main.serve", line_of("stuck.go", "// calls it"), "stuck.go")


PYTHONS = {"system": PYTHON, **{path.split("/")[-3]: path for path in sorted(glob.glob(
    os.path.expanduser("~/.pyenv/versions/3.1[1-4].*/bin/python3")))}}


@pytest.mark.parametrize("version", PYTHONS)
def test_python(version):
    with Stuck([PYTHONS[version], f"{SOURCES}/stuck.py"]) as stuck:
        thread = stuck.thread_in("recvfrom")
        text = stuck.leaks().decode()
    python = [frame for frame in thread["stack"] if frame["kind"] == "python"]
    assert [(frame["function"], frame["line"]) for frame in python[:2]] == [
        ("Pool.wait", line_of("stuck.py", "# blocked")), ("handler", line_of("stuck.py", "# calls it"))]
    assert python[0]["file"] == f"{SOURCES}/stuck.py"
    assert thread["stack"][0]["kind"] == "native", "the C library first"
    assert (f"thread {thread['tid']} is in recvfrom(fd {thread['fd']}, 127.0.0.1:{thread['peer']['port']}) "
            f"at Pool.wait (stuck.py:{python[0]['line']}), from handler (stuck.py:{python[1]['line']})") in text


def test_python_after_a_fork():
    """gunicorn's workers are forks: in these the interpreter knows its thread by another number."""
    source = (f"import os\nif os.fork():\n    os.wait()\nelse:\n"
              f"    exec(compile(open({SOURCES + '/stuck.py'!r}).read(), 'stuck.py', 'exec'))\n")
    with Stuck([PYTHON, "-c", source]) as stuck:
        flag, = flags(stuck.leaks("--json"))
        pids = {holder["pid"] for holder in flag["holders"]}
        stacks = [thread["stack"] for thread in flag["where"]["blocked"] if thread["stack"]]
        os.kill(*pids, 9)
    assert stuck.process.pid not in pids
    assert any(frame["kind"] == "python" and frame["function"] == "<module>"
               for stack in stacks for frame in stack)


def test_python_in_other_namespaces():
    """As in a container: another mount and pid namespace."""
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with Stuck([*unshare, PYTHON, f"{SOURCES}/stuck.py"]) as stuck:
        def functions():
            flag, = flags(stuck.leaks("--json"))
            return {frame["function"] for thread in flag["where"]["blocked"]
                    for frame in thread["stack"] or ()}
        patience.wait_for(lambda: {"Pool.wait", "handler"} <= functions(), "the frames of the thread",
                          lambda: str(functions()))


def test_short_has_no_directories():
    with Stuck([PYTHON, f"{SOURCES}/stuck.py"]) as stuck:
        flag, = flags(stuck.leaks("--json", "--where=short"))
    frames = [frame for thread in flag["where"]["blocked"] for frame in thread["stack"] or ()]
    files = {frame["file"] or "" for frame in frames}
    assert "stuck.py" in files, "the program's own file"
    assert not any(file.startswith(("/home", "/root", "/usr", SOURCES)) for file in files), files
    assert not any("/" in (frame["module"] or "") for frame in frames)


def test_without_where_there_is_none():
    with Stuck([PYTHON, f"{SOURCES}/stuck.py"]) as stuck:
        def leak():
            return patience.run([BINARY, "leaks", "--json", *LEAKS[2:], str(stuck.netns.inum)])
        patience.wait_for(lambda: leak().returncode == 1, "the leak", lambda: None, every_s=0.05)
        flag, = flags(leak().stdout)
    assert "where" not in flag
