"""The lines of code that a trace shows: where a socket was opened, and where its end of stream was read."""
import collections
import contextlib
import json
import os
import shutil
import signal
import subprocess

import pytest

from lib import patience
from lib.netns import Netns
from lib.run import PYTHON
from lib.tracer import BINARY, Tracer
from test_where import NO_FRAME_POINTERS, PYTHONS, SOURCES, build, line_of

pytestmark = pytest.mark.hidden_events

FLAGS = ("--where", "--only", "flag", "--flag", "CLOSE_WAIT=500ms")


@contextlib.contextmanager
def leaking(netns, command, cwd=None):
    """The program, once it is ready, in this namespace. It leaks until the end."""
    with patience.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd,
                        preexec_fn=netns.enter) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def raised(objects):
    return [item for item in objects if item["type"] == "flag" and item["event"] == "raised"]


def flags_of(command, *options, count=1, cwd=None):
    """The flags of a program that is traced from its beginning, and the `start` object."""
    before = Netns.current()
    with contextlib.closing(Netns.create()) as netns:
        before.enter()
        with Tracer(*FLAGS, "--netns", netns.inum, *options) as tracer, leaking(netns, command, cwd):
            tracer.wait_for(lambda objects: len(raised(objects)) >= count, f"{count} flags")
            objects = tracer.stop()
    before.close()
    assert len(raised(objects)) == count
    return raised(objects), objects[0]


def flags_of_running(command, count):
    """The flags of a program that begins to leak when the tracer is ready."""
    before = Netns.current()
    with contextlib.closing(Netns.create()) as netns:
        before.enter()
        with leaking(netns, command) as program, Tracer(*FLAGS, "--netns", netns.inum) as tracer:
            program.stdin.write(b"\n")
            program.stdin.flush()
            tracer.wait_for(lambda objects: len(raised(objects)) >= count, f"{count} flags")
            objects = tracer.stop()
    before.close()
    return raised(objects)


def flag_of_a_known_python(command, *options):
    """Its last flag. The tracer learns from the first stacks of a process that it is Python, and needs some time for that."""
    before = Netns.current()
    with contextlib.closing(Netns.create()) as netns:
        before.enter()
        with Tracer(*FLAGS, "--netns", netns.inum, *options) as tracer, \
                leaking(netns, command) as program:
            def next_flag():
                leaks = len(raised(tracer.objects())) + 1
                program.stdin.write(b"\n")
                program.stdin.flush()
                tracer.wait_for(lambda objects: len(raised(objects)) == leaks, f"{leaks} flags")
                flag = raised(tracer.objects())[-1]
                return all(frame["kind"] == "python" for frame in flag["where"]["opened"][-1:]) and flag
            flag = patience.wait_for(next_flag, "frames of Python")
            start = tracer.stop()[0]
    before.close()
    return flag, start


def test_first_stack_of_a_python_that_ran_before():
    """The tracer is ready once it knows the interpreters that run."""
    before = Netns.current()
    with contextlib.closing(Netns.create()) as netns:
        before.enter()
        with leaking(netns, [PYTHON, f"{SOURCES}/peek.py"]) as program, \
                Tracer(*FLAGS, "--netns", netns.inum) as tracer:
            program.stdin.write(b"\n")
            program.stdin.flush()
            tracer.wait_for(raised, "a flag")
            flag, = raised(tracer.stop())
    before.close()
    assert [frames[-1][0] for frames in where(flag, "peek.py")] == ["<module>", "<module>"]


def test_python_in_other_namespaces():
    """As in a container: another mount and pid namespace."""
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    flag, _ = flag_of_a_known_python([*unshare, PYTHON, f"{SOURCES}/peek.py"])
    assert [frames[-1][0] for frames in where(flag, "peek.py")] == ["<module>", "<module>"]


def program_frames(stack, source):
    return [(frame["function"].partition("(")[0], frame["line"]) for frame in stack or ()
            if os.path.basename(frame["file"] or "") == source]


def where(flag, source):
    """The frames of the program: of the stack that opened its socket, and that read its end."""
    return [program_frames(flag["where"][what], source) for what in ("opened", "eof_read")]


@pytest.mark.parametrize("version,address", [*((version, "127.0.0.1") for version in PYTHONS), ("system", "::1")])
def test_python(version, address):
    flag, start = flag_of_a_known_python([PYTHONS[version], f"{SOURCES}/peek.py", address])
    assert start["sees"]["opened"] == start["sees"]["eof_read"] == "exact"
    opened, eof_read = where(flag, "peek.py")
    assert opened[0] == ("connect", line_of("peek.py", "# connects"))
    assert eof_read[0] == ("read", line_of("peek.py", "# reads")), "not the peek"
    assert opened[-1][0] == eof_read[-1][0] == "<module>"
    assert flag["where"]["missing"] == {}
    assert flag["where"]["opened"][0]["kind"] == "native", "the C library first"


WITHOUT_TRACEFS = ["unshare", "--mount", "sh", "-c",
                   "umount --lazy /sys/kernel/tracing /sys/kernel/debug 2>/dev/null; exec \"$@\"", "sh"]


def test_tracefs_need_not_be_mounted():
    command = [*WITHOUT_TRACEFS, BINARY, "trace", "--json", "--where", "--duration", "10ms"]
    start = json.loads(patience.run(command).stdout.splitlines()[0])
    assert start["sees"]["opened"] == start["sees"]["accept_owner"] == "exact"


@pytest.mark.parametrize("compiler", [("gcc", "-pie"), ("gcc", "-static"), ("g++", "-no-pie"), ("clang", "-pie")],
                         ids=lambda command: command[0] + command[-1])
def test_c(tmp_path, compiler):
    """accept() returned the socket, in a program without frame pointers."""
    program = build(tmp_path, "stuck", compiler[0], *NO_FRAME_POINTERS, compiler[1], "-o", "{out}", "{src}/stuck.c")
    (flag,), _ = flags_of([program])
    opened, eof_read = where(flag, "stuck.c")
    assert opened == [("main", line_of("stuck.c", "served = accept("))]
    assert [frame[0] for frame in eof_read] == ["serve", "main"]
    assert eof_read[0][1] == line_of("stuck.c", "while (read(")


def test_stripped_and_deleted(tmp_path):
    """Module and offset are right for addr2line, though the file is gone from its path before its first event."""
    program = build(tmp_path, "stuck", "gcc", *NO_FRAME_POINTERS, "-o", "{out}", "{src}/stuck.c")
    whole = shutil.copy(program, tmp_path / "whole")
    subprocess.run(["strip", program], check=True)
    (flag,), _ = flags_of(["/bin/sh", "-c", f"exec 9<{program}; rm {program}; exec /proc/self/fd/9"])
    offsets = [[hex(frame["offset"]) for frame in flag["where"][what] if frame["module"] == program]
               for what in ("opened", "eof_read")]
    assert not program_frames(flag["where"]["opened"], "stuck.c")
    (opened, _), (eof_read, calls, _) = (subprocess.run(
        ["addr2line", "-e", whole, *each], check=True, capture_output=True, text=True).stdout.splitlines()
        for each in offsets)
    lines = [int(place.split()[0].rpartition(":")[2]) for place in (opened, eof_read, calls)]
    assert lines == [line_of("stuck.c", words) for words in ("served = accept(", "while (read(", "return serve(")]


def test_go(tmp_path):
    program = build(tmp_path, "stuck", "go", "build", "-o", "{out}", "{src}/stuck.go",
                    env={"GO111MODULE": "off", "GOCACHE": str(tmp_path / "cache"), "GOFLAGS": ""})
    (flag,), _ = flags_of([program])
    check_go(flag)


def check_go(flag, sees_eof=True):
    opened, eof_read = where(flag, "stuck.go")
    assert opened == [("main.main", line_of("stuck.go", "listener.Accept()"))]
    assert eof_read == [("main.serve", line_of("stuck.go", "served.Read(data)")),
                        ("main.main", line_of("stuck.go", "serve(served, pipe[0])"))][:2 * sees_eof]


def test_rust(tmp_path):
    program = build(tmp_path, "stuck", "rustc", "-O", "-g", "-o", "{out}", "{src}/stuck.rs")
    (flag,), _ = flags_of([program])
    opened, eof_read = where(flag, "stuck.rs")
    assert opened[0] == ("stuck::main", line_of("stuck.rs", "let (served, _) = listener.accept()"))
    assert eof_read[0] == ("stuck::serve", line_of("stuck.rs", "served.read(&mut data)"))


def test_event_loop():
    """connect() shows the handler; the end of stream is read in a line of the loop, and text says so."""
    (flag,), _ = flags_of([PYTHON, f"{SOURCES}/loop.py"])
    opened, eof_read = where(flag, "loop.py")
    assert opened[0] == ("checkout", line_of("loop.py", "# connects"))
    assert eof_read == [("<module>", line_of("loop.py", "# runs the loop"))]
    text = patience.run(
        [BINARY, "run", "--flag", "CLOSE_WAIT=100ms", "--", "timeout", "5", PYTHON, f"{SOURCES}/loop.py"]).stderr.decode()
    assert f"opened at checkout (loop.py:{opened[0][1]}), from main (loop.py:" in text
    assert "a line of the event loop" in text and "read at <module>" not in text, text


def jit_names(stack):
    return [(frame["function"].partition("(")[0], frame["line"], os.path.basename(frame["file"] or ""))
            for frame in stack if frame["kind"] == "jit"]


def test_node(tmp_path):
    """Functions and where they begin, by the perf map. node connects in a later tick: its caller is gone by then."""
    node = shutil.which("node") or pytest.skip("no node here")
    (flag,), _ = flags_of([node, "--perf-basic-prof", "--interpreted-frames-native-stack", f"{SOURCES}/leak.js"], cwd=tmp_path)
    opened = jit_names(flag["where"]["opened"])
    assert ("internalConnect", "node:net") in [(function, file) for function, line, file in opened if line]
    assert flag["where"]["opened"][-1]["function"] == "_start", "through V8's frames"
    assert not jit_names(flag["where"]["eof_read"])
    assert "uv_run" in [frame["function"] for frame in flag["where"]["eof_read"]]


def test_java(tmp_path):
    """Classes and methods, by the perf map that jcmd made: no lines. The JVM has inlined Leak.leak in main."""
    build(tmp_path, "Leak", "javac", "-d", str(tmp_path), "{src}/Leak.java")
    (flag,), _ = flags_of(["java", "-XX:+PreserveFramePointer", "-Xcomp", "-XX:CompileCommand=quiet",
                           "-XX:CompileCommand=compileonly,Leak*::*", "-cp", str(tmp_path), "Leak"])
    for what in ("opened", "eof_read"):
        stack = flag["where"][what]
        assert "Leak.main" in [frame[0] for frame in jit_names(stack)], stack
        assert not any(frame["line"] for frame in stack if frame["kind"] == "jit")
        assert "JavaMain" in [frame["function"] for frame in stack], "through the JVM's frames"


def test_opener_that_has_exited():
    """Its code objects may be gone before they are read: then nothing is said rather than something wrong."""
    (flag,), _ = flags_of([PYTHON, f"{SOURCES}/inherited.py"])
    opened, eof_read = where(flag, "inherited.py")
    assert eof_read[0] == ("heir", line_of("inherited.py", "# reads"))
    if opened:
        assert opened[0] == ("opener", line_of("inherited.py", "# connects"))
    else:
        assert flag["where"]["missing"]["opened"] == "exited"


def test_thousand_leaks_from_seven_places_are_seven():
    """Through one pool: its line alone would be one place. Data on the stack differs each time."""
    count = 1000
    flags = flags_of_running([PYTHON, f"{SOURCES}/leak_places.py", str(count)], count)
    wanted = collections.Counter(f"place_{'abcdefg'[number % 7]}" for number in range(count))
    for what in ("opened", "eof_read"):
        stacks = collections.Counter(json.dumps(flag["where"][what]) for flag in flags)
        assert "null" not in stacks, collections.Counter(map(str, (flag["where"]["missing"] for flag in flags)))
        places = collections.Counter({
            frames[1][0]: stacks[stack] for stack in stacks
            for frames in [program_frames(json.loads(stack), "leak_places.py")]})
        assert len(stacks) == 7 and places == wanted, places


def loaded_programs(tracer):
    """The hashes of the instructions of its BPF programs."""
    folder, tags = f"/proc/{tracer.process.pid}/fdinfo", set()
    for name in os.listdir(folder):
        with open(f"{folder}/{name}", encoding="ascii") as file:
            tags |= {line.split()[1] for line in file if line.startswith("prog_tag:")}
    return tags


def test_off_costs_nothing():
    """Without --where the kernel runs the same programs as with it, less those that read stacks."""
    with Tracer() as without, Tracer("--where") as with_it:
        plain, more = loaded_programs(without), loaded_programs(with_it)
        sees = with_it.stop()[0]["sees"]
    assert plain < more
    # execve(), fork, connect(), accept(), receives; and those that walk through threads.
    assert len(more - plain) >= 5 + (sees["eof_read"] == "exact"), (plain, more)


def test_flag_waits_for_the_names(tmp_path):
    """They take longer than the threshold: another trace has raised its flag before."""
    program = build(tmp_path, "stuck", "gcc", *NO_FRAME_POINTERS, "-o", "{out}", "{src}/stuck.c")
    before = Netns.current()
    with contextlib.closing(Netns.create()) as netns:
        before.enter()
        filters = ("--netns", netns.inum)
        with Tracer(*FLAGS, *filters) as tracer, Tracer(*FLAGS[1:], *filters) as other:
            finders = patience.children(tracer.process.pid)
            assert finders
            for finder in finders:
                os.kill(finder, signal.SIGSTOP)
            with leaking(netns, [program]):
                other.wait_for(raised, "a flag")
                for finder in finders:
                    os.kill(finder, signal.SIGCONT)
                tracer.wait_for(raised, "a flag")
                flag, = raised(tracer.stop())
    before.close()
    for what, names in ("opened", ["main"]), ("eof_read", ["serve", "main"]):
        stack = flag["where"][what]
        if stack is None:
            assert flag["where"]["missing"][what] == "budget", "longer than the tracer waits"
        else:
            assert [name for name, _ in program_frames(stack, "stuck.c")] == names


def test_short_has_no_directories():
    flag, _ = flag_of_a_known_python([PYTHON, f"{SOURCES}/peek.py"], "--where=short")
    frames = [frame for what in ("opened", "eof_read") for frame in flag["where"][what]]
    assert {"peek.py"} < {frame["file"] for frame in frames}
    assert not any("/" in frame["module"] for frame in frames if frame["module"])
    assert not any(SOURCES in (frame["file"] or "") for frame in frames)


def test_replay_has_the_same(tmp_path):
    recording = str(tmp_path / "one.tdw")
    flag, _ = flag_of_a_known_python([PYTHON, f"{SOURCES}/peek.py"], "--record", recording)
    done = patience.run([BINARY, "replay", recording, "trace", "--json", "--only", "flag"])
    again = raised([json.loads(line) for line in done.stdout.splitlines()])[-1]
    assert again["where"] == flag["where"]


def test_lambda(tmp_path):
    """g++ nests the lambda's function in that of main()."""
    program = build(tmp_path, "lambda", "g++", "-O0", "-g", "-o", "{out}", "{src}/lambda.cpp")
    (flag,), _ = flags_of([program])
    for frames, words in zip(where(flag, "lambda.cpp"), ("// connects", "// reads")):
        assert frames[0] == ("main::{lambda", line_of("lambda.cpp", words)), frames
        assert frames[-1][0] == "main"
