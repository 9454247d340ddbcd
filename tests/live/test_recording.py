"""A recording replays to the output of the run, on any machine, however the run ended."""
import ctypes
import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

from lib import patience
from lib.netns import Netns
from lib.patience import wait_for
from lib.tracer import BINARY, Tracer
from whole.traffic import CHURN

pytestmark = pytest.mark.hidden_events

CLONE_NEWNS, MS_PRIVATE, MS_REC = 0x00020000, 1 << 18, 1 << 14
NOBODY = 65534
FAMILIES = pytest.mark.parametrize("family", ["4", "6"], ids=["ipv4", "ipv6"])


@pytest.fixture(name="netns")
def netns_fixture():
    with Netns.current().inside():
        netns = Netns.create()
        yield netns
    netns.close()


def churn(netns, connections, family="4", **more):
    command = [CHURN, "--family", family, "--connections", str(connections), "--threads", "2"]
    with netns.inside():
        return subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)


def replay(path, *options, preexec=None):
    """Its output, its complaints, its status."""
    done = patience.run([BINARY, "replay", str(path), *options], preexec_fn=preexec)
    return done.stdout, done.stderr.decode(), done.returncode


def replayed(path, *options):
    """The objects of a recording that may be cut off."""
    text, errors, status = replay(path, "--json", *options)
    assert status == 0, errors
    return [json.loads(line) for line in text.splitlines()]


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


class Recorder:
    """`tcpdwell record`, ready. A context manager that ends it."""

    def __init__(self, tmp_path, path, *options, preexec=None):
        self.path, self.ready = path, tmp_path / "ready"
        self.process = patience.start(
            [BINARY, "record", "-o", str(path), "--ready-file", self.ready, *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=preexec)

    def __enter__(self):
        wait_for(lambda: self.ready.exists() or self.process.poll() is not None, "ready")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def end(self, sig=signal.SIGINT):
        self.process.send_signal(sig)
        out, errors = patience.communicate(self.process)
        return out, errors.decode(), self.process.returncode


@FAMILIES
@pytest.mark.parametrize("options", [(), ("--zstd",), ("--flag", "ESTABLISHED=1ms", "--port", "9000")],
                         ids=["plain", "zstd", "flags"])
def test_replay_is_the_run_byte_for_byte_under_churn(netns, tmp_path, family, options):
    path = tmp_path / "run.tdw"
    with Tracer("--netns", netns.path, "--record", path, *options) as tracer:
        churn(netns, 1500, family)
        tracer.stop()
        printed = read_bytes(tracer.output)
    assert printed.count(b'"type":"connection"') > 10  # IPv6 churn is spread over 128 ports
    options = [each for each in options if each != "--zstd"]
    text, errors, status = replay(path, "trace", "--json", *options)
    assert (status, "cut off" in errors) == (0, False), errors
    assert text == printed


def test_it_replays_for_anybody_who_may_read_it(netns, tmp_path):
    path = tmp_path / "run.tdw"
    with Tracer("--netns", netns.path, "--record", path) as tracer:
        churn(netns, 100)
        tracer.stop()
        printed = read_bytes(tracer.output)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    copy = f"/tmp/tcpdwell-test-{os.getpid()}.tdw"
    try:
        with open(copy, "xb") as file:
            file.write(read_bytes(path))
        os.chmod(copy, 0o644)
        text, errors, status = replay(copy, "--json", preexec=become_nobody)
    finally:
        os.unlink(copy)
    assert (status, text == printed) == (0, True), errors


def test_record_prints_nothing_but_the_messages_of_a_trace(netns, tmp_path):
    with Recorder(tmp_path, tmp_path / "run.tdw", "--netns", netns.path) as recorder:
        churn(netns, 200)
        out, errors, status = recorder.end()
    assert (out, status) == (b"", 0), errors
    objects = replayed(recorder.path)
    assert objects[-1]["transitions"] == 200 * 10 + 2 * 2, "two listeners that came and went"
    assert objects[-1]["connections"] >= 200
    text, errors, status = replay(recorder.path)
    assert status == 0 and b"ESTABLISHED" in text, "as text, too"


def test_after_a_kill_it_replays_to_the_last_second(netns, tmp_path):
    with Recorder(tmp_path, tmp_path / "run.tdw", "--netns", netns.path) as recorder:
        churn(netns, 300)
        last = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        wait_for(lambda: replayed(recorder.path)[-1]["mono_ns"] >= last, "the recording")
        with netns.inside(), subprocess.Popen(
                [CHURN, "--until-stdin-closes", "--announce"], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE) as more:
            more.stdout.readline()
            recorder.end(signal.SIGKILL)
            more.stdin.close()
    text, errors, status = replay(recorder.path, "--json")
    end = json.loads(text.splitlines()[-1])
    assert status == 0 and end["truncated"] is True
    assert "is cut off" in errors and errors.count("\n") <= 2, errors
    assert end["transitions"] >= 300 * 10 and end["lost"] == 0


def tiny_disk(where):
    """A file system of 512 KiB that only the new process sees."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNS) == 0
    assert libc.mount(b"none", b"/", None, MS_PRIVATE | MS_REC, None) == 0
    assert libc.mount(b"tmpfs", os.fsencode(where), b"tmpfs", 0, b"size=512k") == 0


def test_a_full_disk_ends_it_and_the_file_replays(netns, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    with Recorder(tmp_path, disk / "run.tdw", "--netns", netns.path,
                  preexec=lambda: tiny_disk(disk)) as recorder:
        # It goes away with its last user: with this descriptor.
        inside = os.open(f"/proc/{recorder.process.pid}/root{disk}", os.O_RDONLY | os.O_DIRECTORY)
        churn(netns, 3000)
        out, errors = patience.communicate(recorder.process)
        kept = tmp_path / "kept.tdw"
        with open(kept, "wb") as file:
            file.write(read_bytes(f"/proc/self/fd/{inside}/run.tdw"))
        os.close(inside)
    assert (out, recorder.process.returncode) == (b"", 2)
    assert "No space left on device" in errors.decode(), errors
    objects = replayed(kept)
    assert objects[-1]["truncated"] is True and objects[-1]["lost"] == 0
    assert objects[-1]["transitions"] > 1000


def test_a_full_disk_does_not_end_a_trace(netns, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    with Tracer("--netns", netns.path, "--record", disk / "run.tdw",
                preexec=lambda: tiny_disk(disk)) as tracer:
        churn(netns, 3000)
        tracer.stop(status=2)
        assert "the trace continues without a recording" in tracer.stderr()
        assert tracer.objects()[-1]["transitions"] >= 3000 * 10


def test_rotated_files_replay_as_one_and_begin_where_they_are_kept(netns, tmp_path):
    path = tmp_path / "run.tdw"
    with Tracer("--netns", netns.path, "--record", path, "--max-size", "512K", "--rotate",
                "20") as tracer:
        with netns.inside():
            server = socket.create_server(("127.0.0.1", 0))
            older = socket.create_connection(server.getsockname())
        churn(netns, 3000)
        tracer.stop()
        printed = read_bytes(tracer.output)
        older.close()
    files = sorted(tmp_path.glob("run.tdw*"))
    assert len(files) > 4 and all(each.stat().st_size <= 512 << 10 for each in files)
    assert replay(path, "--json")[0] == printed
    for each in files:
        if each.suffix in (f".{number}" for number in range(3, 21)):
            each.unlink()
    text, errors, status = replay(path, "--json")
    assert status == 0 and "older parts are missing" in errors
    objects = [json.loads(line) for line in text.splitlines()]
    assert objects[-1]["lost"] == 0 and 0 < objects[-1]["transitions"] < 3000 * 10
    assert not any("truncated" in each for each in objects)


def test_after_a_rename_and_sighup_it_goes_on_in_a_new_file(netns, tmp_path):
    path = tmp_path / "run.tdw"
    with Tracer("--netns", netns.path, "--record", path) as tracer:
        churn(netns, 50)
        path.rename(f"{path}.1")
        tracer.process.send_signal(signal.SIGHUP)
        wait_for(path.exists, "the new file")
        churn(netns, 50)
        tracer.stop()
        printed = read_bytes(tracer.output)
    assert replay(path, "--json")[0] == printed


@pytest.mark.parametrize("kind", ["link", "directory", "fifo", "absent"])
def test_only_regular_files_are_accepted(tmp_path, kind):
    path = tmp_path / "it"
    if kind == "link":
        (tmp_path / "target").write_bytes(b"precious")
        path.symlink_to(tmp_path / "target")
    elif kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = tmp_path / "no" / "such"
    done = patience.run([BINARY, "record", "-o", str(path), "-d", "1s"])
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1, done.stderr
    assert kind != "link" or (tmp_path / "target").read_bytes() == b"precious"
    _, errors, status = replay(path if kind != "link" else tmp_path / "target")
    assert status == 2 and errors.count("\n") == 1, errors


def test_a_replay_never_writes_to_its_input(netns, tmp_path):
    path = tmp_path / "run.tdw"
    with Tracer("--netns", netns.path, "--record", path) as tracer:
        tracer.stop()
    before = read_bytes(path)
    _, errors, status = replay(path, "-o", str(path))
    assert (status, read_bytes(path) == before) == (2, True) and "it is being read" in errors
    out = tmp_path / "out"
    out.write_bytes(b"of an earlier replay")
    assert replay(tmp_path, "-o", str(out))[2] == 2
    assert out.read_bytes() == b"of an earlier replay"
    done = patience.run([BINARY, "--json", "-o", str(path), "--record", str(path)])
    assert done.returncode == 2 and read_bytes(path) == before, done.stderr


def test_a_reader_that_goes_away_ends_a_replay_quietly(netns, tmp_path):
    path = tmp_path / "run.tdw"
    with Tracer("--netns", netns.path, "--record", path) as tracer:
        churn(netns, 2000)
        tracer.stop()
    with patience.start([BINARY, "replay", str(path), "--json"], stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE) as process:
        assert process.stdout.readline().startswith(b'{"type":"start"')
        process.stdout.close()
        assert patience.ended(process) == 0, process.stderr.read()
    slow = patience.run(f"{BINARY} replay {path} --json | (sleep 1; wc -l)", shell=True)
    assert int(slow.stdout) == replay(path, "--json")[0].count(b"\n"), "one that is slow gets it all"
