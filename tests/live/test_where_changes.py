"""What changes in a traced process: later code at the same addresses never gets the names of earlier code."""
import contextlib

import pytest

from lib.netns import Netns
from lib.run import PYTHON
from lib.tracer import Tracer
from test_where import SOURCES, build
from test_where_events import FLAGS, flags_of, leaking, raised, where

pytestmark = pytest.mark.hidden_events


@pytest.mark.parametrize("deploy", ["true", "mv billing.so orders.so", "cp billing.so orders.so"], ids=["plugin", "renamed", "copied"])
def test_library_at_the_address_of_another_one(tmp_path, deploy):
    """dlclose(), then dlopen() of a library of the same size: another plugin, or a hot reload of the same one."""
    program = build(tmp_path, "plugins", "gcc", "-O0", "-g", "-o", "{out}", "{src}/plugins.c")
    names = ["orders", "billing"]
    for name in names:
        build(tmp_path, f"{name}.so", "gcc", "-O0", "-g", "-shared", "-fPIC", f"-DNAME={name}", "-o", "{out}",
              "{src}/plugins.c")
    second = "orders" if "orders" in deploy else "billing"
    command = [program, f"{deploy} || true", "./orders.so", f"./{second}.so"]
    before = Netns.current()
    with contextlib.closing(Netns.create()) as netns:
        before.enter()
        with Tracer(*FLAGS, "--netns", netns.inum) as tracer, leaking(netns, command, tmp_path) as process:
            tracer.wait_for(raised, "a flag")
            process.stdin.write(b"\n")
            process.stdin.flush()
            tracer.wait_for(lambda objects: len(raised(objects)) == 2, "another one")
            flags = raised(tracer.stop())
    before.close()
    found = [[frames[0][0] for frames in where(flag, "plugins.c")] for flag in flags]
    assert found == [[name, name] for name in names]


def test_code_object_at_the_address_of_another_one():
    """Compiled again with other lines: a frame has its own line, or none."""
    flags, _ = flags_of([PYTHON, f"{SOURCES}/compiled.py"], count=20)
    connects = [frame["line"] - flag["remote"]["port"] % 10 for flag in flags
                for frame in flag["where"]["opened"] or () if frame["file"] == "rule.py" and frame["line"]]
    assert set(connects) == {2}, connects


def test_python_in_a_thread_that_two_interpreters_know():
    """As in mod_wsgi and uWSGI."""
    (flag,), _ = flags_of([PYTHON, f"{SOURCES}/interpreters.py"])
    opened, eof_read = where(flag, "interpreters.py")
    assert [name for name, _ in opened] == [name for name, _ in eof_read] == ["leak", "<module>"]
    assert flag["where"]["missing"] == {}


def test_sockets_of_python_without_a_python_frame(tmp_path):
    """A program that embeds Python: nothing is missing, though there is no Python frame."""
    program = build(tmp_path, "python-embedded", "sh", "-c",
                    "gcc -g -o {out} {src}/embedded.c $(/usr/bin/python3-config --includes --ldflags --embed)")
    (flag,), _ = flags_of([program])
    opened, eof_read = where(flag, "embedded.c")
    assert [name for name, _ in opened] == [name for name, _ in eof_read] == ["main"]
    assert flag["where"]["missing"] == {}
