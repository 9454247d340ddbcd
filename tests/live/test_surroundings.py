"""Odd environments: it exits with one line and the documented status, and its output is never wrong."""
import contextlib
import os
import resource
import signal
import socket
import stat
import subprocess


import pytest

from lib import patience
from lib.child import Child
from lib.netns import Netns
from lib.run import PYTHON
from lib.tracer import BINARY, Tracer, parse_line

pytestmark = pytest.mark.hidden_events

GOLDEN = os.path.join(os.path.dirname(__file__), "../golden/lives.tdw")
NOBODY = 65534
NOT_THERE = 4026539999


def run(*arguments, **options):
    return patience.run([BINARY, *map(str, arguments)], **options)


def one_line(done, status):
    said = done.stderr.decode()
    assert done.returncode == status, f"status {done.returncode}, wanted {status}: {said}"
    assert said.startswith("tcpdwell: ") and said.count("\n") == 1, f"not one line: {said!r}"
    return said


@contextlib.contextmanager
def close_wait():
    """A socket in CLOSE_WAIT, that we hold."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        client.close()
        with server:
            yield server.getsockname()[1]


# --- limits -----------------------------------------------------------------------------------

@contextlib.contextmanager
def pids_cgroup(most):
    roots = ("/sys/fs/cgroup/pids", "/sys/fs/cgroup")
    for root in roots:
        path = os.path.join(root, f"tcpdwell-test-{os.getpid()}")
        with contextlib.suppress(OSError):
            os.mkdir(path)
            if os.path.exists(os.path.join(path, "pids.max")):
                break
            os.rmdir(path)
    else:
        pytest.skip("no cgroup controller for pids")
    try:
        with open(os.path.join(path, "pids.max"), "w", encoding="ascii") as file:
            file.write(str(most))
        yield os.path.join(path, "cgroup.procs")
    finally:
        patience.wait_for(lambda: not open(os.path.join(path, "cgroup.procs"),
                                           encoding="ascii").read(), "an empty cgroup")
        os.rmdir(path)


@pytest.mark.parametrize("most", [1, 2, 3])
@pytest.mark.parametrize("command", [("leaks",), ("record", "-d", "100ms", "-o"), ("run",)],
                         ids=lambda command: command[0])
def test_without_threads(command, most, tmp_path):
    arguments = {"record": [*command, tmp_path / "r"],
                 "run": ["run", "--netns", "self", "--", "true"]}.get(command[0], [*command])
    if command[0] != "run":
        arguments += ["--netns", "self"]
    with pids_cgroup(most) as procs:
        def enter():
            with open(procs, "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        done = run(*arguments, preexec_fn=enter)
    if done.returncode != 0:
        one_line(done, 125 if command[0] == "run" else 2)
    else:
        assert most > 1, "one thread is not enough"


@pytest.mark.parametrize("descriptors", [5, 8, 12, 20, 40, 200])
def test_few_descriptors(descriptors):
    limit = (descriptors, descriptors)
    done = run("trace", "-q", "-d", "10ms", "--netns", "self",
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
    if descriptors >= 100:
        assert done.returncode == 0, done.stderr
    else:
        assert "cannot open enough descriptors" in one_line(done, 2)


@pytest.mark.parametrize("descriptors", range(5, 36, 3))
def test_few_descriptors_for_a_look(descriptors):
    limit = (descriptors, descriptors)
    done = run("leaks", "--netns", "self", "--port", 1,
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit))
    if done.returncode != 0:
        assert "BPF has" not in one_line(done, 2) and b"stuck" not in done.stdout


@pytest.mark.parametrize("kilobytes", [128, 192, 256])
def test_a_small_stack(kilobytes):
    limit = (kilobytes << 10, kilobytes << 10)
    with close_wait() as port:
        done = run("leaks", "--netns", "self", "--port", port, "--flag", "CLOSE_WAIT=1ms",
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, limit))
    assert done.returncode == 1, done.stderr


def test_without_memory():
    limit = (64 << 20, 64 << 20)  # of address space: not even the ring
    done = run("trace", "-d", "10ms", "--netns", "self",
               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit))
    one_line(done, 2)


# --- who reads, and who does not -------------------------------------------------------------

@pytest.mark.parametrize("options", [("leaks", "--watch", "1s"), ("leaks", "--watch", "1h"),
                                     ("leaks", "--watch", "1s", "--json"), ("stats", "1"),
                                     ("trace", "--json")], ids=" ".join)
def test_ends_when_the_reader_closes(options):
    with patience.start([BINARY, *options, "--netns", "self"], stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL) as tracer:
        assert tracer.stdout.readline()
        tracer.stdout.close()
        status = patience.ended(tracer)
        # A scan that was not finished is no all-clear.
        assert status == 0 or (status == 2 and options[0] == "leaks")


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_that_cannot_be_written_fails(argument):
    with open("/dev/full", "wb") as full:
        one_line(run(argument, stdout=full), 2)


def test_a_terminal_hangup_ends_foreground_processes(tmp_path):
    """`record`, which writes nothing to it."""
    controller, terminal = os.openpty()
    ready = tmp_path / "ready"

    def in_terminal():
        os.setsid()
        os.close(os.open(os.ttyname(terminal), os.O_RDWR))  # it controls us
    with patience.start([BINARY, "record", "-q", "--netns", "self", "-o", tmp_path / "r",
                         "--ready-file", ready], stdin=terminal, stdout=terminal,
                        stderr=subprocess.DEVNULL, preexec_fn=in_terminal) as recorder:
        os.close(terminal)
        patience.wait_for(ready.exists, "the ready file")
        os.close(controller)
        assert patience.ended(recorder) == 0
    assert run("replay", "-q", tmp_path / "r").returncode == 0


def test_nohup_outlives_the_terminal(tmp_path):
    ready = tmp_path / "ready"
    with patience.start(["nohup", BINARY, "record", "-q", "--netns", "self", "-o",
                         tmp_path / "r", "--ready-file", ready], stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as recorder:
        patience.wait_for(ready.exists, "the ready file")
        recorder.send_signal(signal.SIGTERM)
        assert patience.ended(recorder) == 0


# --- files ------------------------------------------------------------------------------------

def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.mark.parametrize("mode", [None, "0640", "644"])
def test_files_that_are_made_are_ours_alone_unless_asked(mode, tmp_path):
    paths = {"-o": tmp_path / "out", "--record": tmp_path / "record",
             "--ready-file": tmp_path / "ready"}
    options = [each for option, path in paths.items() for each in (option, path)]
    done = run("trace", "-q", "-d", "10ms", "--netns", "self", *options,
               *(["--mode", mode] if mode else []))
    assert done.returncode == 0, done.stderr
    for path in paths.values():
        assert mode_of(path) == (int(mode, 8) if mode else 0o600), path


@pytest.mark.parametrize("mode", ["0888", "4755", "0400", "rw", "", "-1"])
def test_a_mode_that_is_none(mode, tmp_path):
    one_line(run("trace", "-o", tmp_path / "out", "--mode", mode), 2)


@pytest.mark.parametrize("option", ["-o", "--record", "--ready-file"])
@pytest.mark.parametrize("planted", ["link", "fifo", "file", "link above"])
def test_nothing_that_others_have_planted_is_written_to(option, planted, tmp_path):
    shared, target = tmp_path / "shared", tmp_path / "target"
    shared.mkdir()
    os.chmod(shared, 0o1777)
    target.mkdir()
    path = shared / "name"
    if planted == "link":
        (target / "precious").write_text("precious")
        os.symlink(target / "precious", path)
    elif planted == "link above":
        os.symlink(target, shared / "name")
        path = shared / "name" / "out"
    elif planted == "fifo":
        os.mkfifo(path)
        os.chown(path, NOBODY, NOBODY)
    else:
        path.write_text("his")
        os.chown(path, NOBODY, NOBODY)
    one_line(run("trace", "-q", "-d", "10ms", "--netns", "self", option, path), 2)
    assert [each.read_text() for each in target.iterdir()] == (
        ["precious"] if planted == "link" else [])
    if planted == "file":
        assert path.read_text() == "his"


def test_links_in_directories_of_ours_are_followed(tmp_path):
    (tmp_path / "there").mkdir()
    os.symlink("there", tmp_path / "above")
    os.symlink("other", tmp_path / "there" / "out")
    done = run("trace", "-q", "--json", "-d", "10ms", "--netns", "self", "-o",
               tmp_path / "above" / "out")
    assert done.returncode == 0, done.stderr
    assert parse_line((tmp_path / "there" / "other").read_bytes().splitlines(True)[0])
    done = run("trace", "-q", "--json", "-d", "10ms", "--netns", "self", "-o", "/dev/stdout")
    assert done.returncode == 0 and done.stdout.startswith(b'{"type":"start"')


def test_the_second_recorder_of_a_file_is_refused(tmp_path):
    path = tmp_path / "r"
    with Tracer("--netns", "self", "--record", path) as tracer:
        before = path.read_bytes()
        said = one_line(run("record", "-q", "-d", "10ms", "--netns", "self", "-o", path), 2)
        assert "another process records to it" in said
        assert path.read_bytes()[:len(before)] == before
        tracer.stop()
    assert run("replay", "-q", path).returncode == 0


@pytest.mark.parametrize("name", ["run", "run.1", "run.2", "link", "hard"])
def test_a_recording_is_not_written_to_while_it_is_read(name, tmp_path):
    with open(GOLDEN, "rb") as file:
        bytes_of_it = file.read()
    for each in ("run", "run.1", "run.2"):
        (tmp_path / each).write_bytes(bytes_of_it)
    os.symlink("run", tmp_path / "link")
    os.link(tmp_path / "run", tmp_path / "hard")
    one_line(run("replay", tmp_path / "run", "--json", "-o", tmp_path / name), 2)
    with open(tmp_path / name, "ab") as stdout:
        one_line(run("replay", tmp_path / "run", "--json", stdout=stdout), 2)
    assert (tmp_path / name).read_bytes() == bytes_of_it


def test_the_configuration_is_not_written_to(tmp_path):
    config = tmp_path / "config"
    config.write_text("json=true\n")
    one_line(run("trace", "-d", "10ms", "--netns", "self", "--config", config, "-o", config), 2)
    assert config.read_text() == "json=true\n"


@pytest.mark.parametrize("begin", [GOLDEN, "/dev/null"], ids=["recording", "header_only"])
def test_a_sparse_recording_can_be_interrupted(begin, tmp_path):
    path = tmp_path / "sparse"
    with open(GOLDEN, "rb") as file:
        path.write_bytes(file.read() if begin == GOLDEN else file.read(64))
    os.truncate(path, 60 << 30)
    with patience.start([BINARY, "replay", path], stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as it:
        patience.wait_for(lambda: patience.cpu_ticks(it.pid) > 20, "a replay at work",
                          lambda: it.poll())
        it.send_signal(signal.SIGINT)
        assert patience.ended(it) in (0, 2)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["fifo", "directory"])
def test_a_ready_file_that_is_none_is_refused_at_once(make, tmp_path):
    make(tmp_path / "ready")
    one_line(run("trace", "--netns", "self", "--ready-file", tmp_path / "ready"), 2)


# --- namespaces -------------------------------------------------------------------------------

@pytest.mark.parametrize("command", ["leaks", "trace -d 10ms", "stats 1 1", "record -d 10ms -o",
                                     "check", "run"], ids=lambda command: command.split()[0])
def test_a_namespace_that_is_not_there(command, tmp_path):
    arguments = [*command.split(), *([tmp_path / "r"] if command.endswith("-o") else []),
                 "--netns", NOT_THERE, *(["--", "true"] if command == "run" else [])]
    done = run(*arguments)
    assert done.returncode == (125 if command == "run" else 2), done.stderr
    assert str(NOT_THERE) in done.stderr.decode()
    assert b"nothing is stuck" not in done.stdout


@pytest.fixture
def mounted():
    """The path of a namespace that nothing but a mount keeps; blanks are escaped in mountinfo."""
    name = f"tcpdwell {os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield f"/run/netns/{name}"
    subprocess.run(["ip", "netns", "del", name], check=True)


def test_a_namespace_that_only_a_mount_keeps(mounted):
    inum = os.stat(mounted).st_ino
    for netns in (mounted, inum):
        done = run("trace", "--json", "-d", "10ms", "--netns", netns)
        assert done.returncode == 0 and not done.stderr.count(b"cannot"), done.stderr


def hold_namespace(child):
    netns = Netns.create()
    child.tell(netns.inum)
    child.told()


def test_a_namespace_that_goes_away_ends_the_run(tmp_path):
    holder = Child(hold_namespace)
    inum = holder.told()
    with Tracer("--netns", f"/proc/{holder.pid}/ns/net") as tracer:
        holder.tell()
        holder.result()
        assert patience.ended(tracer.process) == 0
        assert f"network namespace {inum} is gone" in tracer.stderr()
        assert tracer.objects()[-1]["type"] == "end"


def test_a_namespace_that_goes_away_is_not_said_to_be_fine():
    holder = Child(hold_namespace)
    inum = holder.told()
    with patience.start([BINARY, "leaks", "--watch", "200ms", "--netns", str(inum)],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE) as leaks:
        assert b"stuck" in leaks.stdout.readline()
        holder.tell()
        holder.result()
        assert f"network namespace {inum} is gone" in patience.communicate(leaks)[1].decode()


def stranger(wanted):
    """Makes namespaces until one has the number. Then there is a life in it."""
    for _ in range(60):
        netns = Netns.create()
        if netns.inum == wanted:
            with close_wait():
                return True
    return False


def test_a_reused_inode_number_is_another_namespace():
    holder = Child(hold_namespace)
    inum = holder.told()
    with Tracer("--netns", f"/proc/{holder.pid}/ns/net") as tracer:
        holder.tell()
        holder.result()
        if not Child(lambda _: stranger(inum)).result():
            pytest.skip("the kernel did not use the number again")
        assert patience.ended(tracer.process) == 0
        assert not [each for each in tracer.objects() if "local" in each]


# --- clocks -----------------------------------------------------------------------------------

HELD = ("import socket, os, time\n"
        "l = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(l.getsockname())\n"
        "s, _ = l.accept(); c.close(); time.sleep({}); {}\n")


@pytest.mark.parametrize("offset", [0, 100000, -1000])
@pytest.mark.parametrize("leaks", [False, True], ids=["closes", "never closes"])
def test_in_a_time_namespace(offset, leaks):
    if offset < 0 and -offset > patience.time.monotonic():
        pytest.skip("this machine has not been up for so long")
    source = HELD.format(2, "os._exit(0)") if leaks else HELD.format(0.2, "s.close()")
    done = patience.run(["unshare", "--fork", "-T", "--monotonic", str(offset), "--", BINARY,
                         "run", "-q", "--netns", "self", "--", PYTHON, "-c", source])
    assert done.returncode == (1 if leaks else 0), done.stderr


def test_the_kernels_clock_in_a_time_namespace(tmp_path):
    out = tmp_path / "out"
    done = patience.run(["unshare", "--fork", "-T", "--monotonic", "100000", "--", BINARY, "trace",
                         "--json", "-d", "10ms", "--netns", "self", "-o", out])
    assert done.returncode == 0, done.stderr
    now = patience.time.monotonic_ns()
    start = parse_line(out.read_bytes().splitlines(True)[0])
    assert now - 60e9 < start["mono_ns"] <= now, "not the kernel's clock"


