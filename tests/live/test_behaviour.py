"""tcpdwell as a program: its end, its messages about bad input, its files."""
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
from typing import NamedTuple

import pytest

from lib import patience
from lib.child import Child
from lib.clock import timed
from lib.netns import Netns
from lib.patience import wait_for
from lib.tracer import BINARY, Tracer, parse_line

pytestmark = pytest.mark.hidden_events

class Made(NamedTuple):
    """Where connections were made. An inode number alone may be used again."""
    netns: int
    port: int


def churn(number, before=lambda: None):
    """Makes so many loopback connections in a namespace of its own.

    Each makes 6 transitions: client SYN_SENT, ESTABLISHED, CLOSED, server the same.
    """
    port = random.randrange(1024, 30000)

    def job(_):
        netns = Netns.create()
        before()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            listener.listen(128)
            for _ in range(number):
                client = socket.create_connection(("127.0.0.1", port))
                server, _ = listener.accept()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
                server.close()
        return Made(netns.inum, port)

    return Child(job).result()


def run(*arguments, **options):
    """A tcpdwell that ends by itself."""
    return patience.run([BINARY, *arguments], **options)


def about(objects, made, kind="connection"):
    return [item for item in objects if item["type"] == kind and item["netns"] == made.netns
            and made.port in (item["local"]["port"], item["remote"]["port"])]


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM], ids=lambda sig: sig.name)
def test_signal_ends_in_order(sig):
    """The ring is drained, `end` is written, status 0."""
    with Tracer() as tracer:
        made = churn(300)
        objects = tracer.stop(sig)
    assert objects[0]["type"] == "start" and objects[-1]["type"] == "end"
    assert len(about(objects, made)) == 601, "2 ends of each, and the listener"


def test_signal_where_sigint_was_ignored():
    """As a background job of a shell inherits it."""
    with Tracer(preexec=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as tracer:
        assert tracer.stop(signal.SIGINT)[-1]["type"] == "end"


def test_head_ends_it_quietly():
    """A closed pipe on stdout is no error, and nothing lingers behind `| head -3`."""
    with patience.start([BINARY, "trace", "--json"], stdout=subprocess.PIPE,
                        stderr=subprocess.PIPE) as tracer:
        try:
            lines = [tracer.stdout.readline()]
            churn(5)
            lines += [tracer.stdout.readline() for _ in range(2)]
            tracer.stdout.close()
            churn(5)
            status = patience.ended(tracer)
            said = tracer.stderr.read()
        finally:
            tracer.kill()
    assert [parse_line(line)["type"] for line in lines] == ["start", "transition", "transition"]
    assert status == 0 and said == b""


def test_a_reader_that_stalls_keeps_neither_ctrl_c_nor_memory():
    """Lines beyond the output buffer are dropped, and counted."""
    with patience.start([BINARY, "trace", "--json", "--output-buffer", "64K"],
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tracer:
        try:
            lines = [tracer.stdout.readline()]
            churn(2000)  # 10 MB of output; a pipe holds one
            tracer.send_signal(signal.SIGINT)
            status = patience.ended(tracer)
            lines += tracer.stdout.read().splitlines(keepends=True)
            said = tracer.stderr.read().decode()
        finally:
            tracer.kill()
    assert status == 0
    dropped = re.search(r"dropped ([\d,]+) lines", said)
    assert dropped and int(dropped[1].replace(",", "")) > 5000, said
    if not lines[-1].endswith(b"\n"):
        lines.pop()  # torn where the reader was given up, and counted
    assert {parse_line(line)["type"] for line in lines} >= {"start", "transition"}


def test_two_at_once():
    """Both see the whole connection; neither disturbs the other."""
    with Tracer() as one, Tracer() as other:
        made = churn(20)
        both = [tracer.stop() for tracer in (one, other)]
    for objects in both:
        assert len(about(objects, made)) == 41
    paths = [[(item["cookie"], item["from"], item["to"]) for item in
              about(objects, made, "transition")] for objects in both]
    assert sorted(paths[0]) == sorted(paths[1])


def test_duration():
    done, at = timed(run, "trace", "--json", "-d", "1s")
    end = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 0 and end["type"] == "end"
    assert 1 <= end["seconds"] <= (at.hi - at.lo) / 1e9


def test_plain_name_traces():
    """`tcpdwell` alone is `tcpdwell trace`."""
    done = run("--json", "-d", "250ms")
    assert done.returncode == 0 and json.loads(done.stdout.splitlines()[0])["type"] == "start"


def test_output_is_reopened(tmp_path):
    """Log rotation: rename, SIGHUP, and a new file begins."""
    with Tracer() as tracer:
        first = churn(3)
        tracer.wait_for(lambda objects: len(about(objects, first)) == 7, "7 connections")
        rotated = tmp_path / "rotated"
        os.rename(tracer.output, rotated)
        tracer.process.send_signal(signal.SIGHUP)
        wait_for(lambda: os.path.exists(tracer.output), "the new file")
        second = churn(3)
        tracer.process.send_signal(signal.SIGINT)
        assert patience.ended(tracer.process) == 0
        old, new = ([parse_line(line) for line in open(path, "rb")]
                    for path in (rotated, tracer.output))
    assert len(about(old, first)) == 7 and not about(old, second)
    assert len(about(new, second)) == 7 and not about(new, first)
    assert old[0]["type"] == "start" and new[-1]["type"] == "end"


def test_only_keeps_start_and_end():
    with Tracer("--only", "connection") as tracer:
        churn(3)
        kinds = [item["type"] for item in tracer.stop()]
    assert kinds[0] == "start" and kinds[-1] == "end" and "transition" not in kinds


BAD_INPUT = {
    "unknown_option": ["--bogus"], "bad_duration": ["-d", "5 parsecs"],
    "empty_duration": ["-d", ""], "negative_duration": ["-d", "-1s"],
    "port_0": ["--port", "0"], "port_65536": ["--port", "65536"],
    "port_80x": ["--port", "80x"], "lport_empty": ["--lport", ""], "rport_minus": ["--rport", "-1"],
    "bad_cidr": ["--addr", "10.0.0.0/33"], "bad_address": ["--addr", "10.0.0"],
    "bad_cidr6": ["--addr", "fd00::/129"], "unknown_state": ["--state", "SLEEPING"],
    "unknown_kind": ["--only", "gossip"], "unwritable_output": ["-o", "/proc/no/such"],
    "output_is_directory": ["-o", "/"], "no_such_netns": ["--netns", "/no/such/netns"],
    "netns_text": ["--netns", "42x"], "no_such_cgroup": ["--cgroup", "/no/such/cgroup"],
    "bad_pid": ["--pid", "1x"], "bad_ring": ["--ring-size", "big"],
    "bad_color": ["--color", "pink"], "both_families": ["-4", "-6"],
    "unknown_command": ["juggle"], "no_value": ["--port"],
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input(name, tmp_path):
    """Status 2, one line on stderr, nothing on stdout, no ready file."""
    ready = tmp_path / "ready"
    done = run("--json", "--ready-file", str(ready), *BAD_INPUT[name])
    said = done.stderr.decode()
    assert done.returncode == 2, f"status {done.returncode}, stderr {said!r}"
    assert said.count("\n") == 1 and said.endswith("\n"), f"not one line: {said!r}"
    assert done.stdout == b""
    assert not ready.exists()


def test_not_root(tmp_path):
    """Without rights, one line says what to do."""
    done = patience.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", BINARY, "trace",
         "--ready-file", str(tmp_path / "ready")])
    said = done.stderr.decode()
    assert done.returncode == 2 and done.stdout == b"" and said.count("\n") == 1, said
    assert "root" in said, said


def test_kernel_without_btf():
    """It cannot be done without, in a mount namespace that shows it so."""
    script = 'mount --bind /dev/null /sys/kernel/btf/vmlinux && exec "$1" --json'
    done = patience.run(["unshare", "-m", "sh", "-c", script, "sh", BINARY])
    said = done.stderr.decode()
    assert done.returncode == 2 and done.stdout == b"" and said.count("\n") == 1, said
    assert "CONFIG_DEBUG_INFO_BTF" in said, said


def test_config_file(tmp_path):
    """The long option names in TOML; the command line wins."""
    config = tmp_path / "tcpdwell.toml"
    config.write_text('json = true\nduration = "250ms"\nonly = "connection"\n')
    done = run("--config", str(config))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[0])["type"] == "start"


def pinned():
    return sorted(os.path.join(where, name) for where, _, names in os.walk("/sys/fs/bpf")
                  for name in names)


def test_nothing_is_left_behind():
    """No pinned map, no program of ours in the kernel, even after SIGKILL."""
    before = pinned()
    for sig in (signal.SIGINT, signal.SIGKILL):
        with Tracer() as tracer:
            pid = tracer.process.pid
            assert holders_of_bpf(pid), "the tracer holds its programs by fds"
            tracer.process.send_signal(sig)
            patience.ended(tracer.process)
        assert pinned() == before


def holders_of_bpf(pid):
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{fd}")
        if "bpf" in target:
            links.append(target)
    return links


def test_help_and_version():
    for option in ("--help", "--version", "-h"):
        done = run(option)
        assert done.returncode == 0 and done.stdout and not done.stderr
    assert re.search(rb"\d+\.\d+\.\d+", run("--version").stdout)


def test_unwritable_ready_file():
    done = run("--ready-file", "/proc/no/such", "-d", "1s")
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1, done.stderr


def test_full_disk():
    """A write error on stdout is not swallowed."""
    with open("/dev/full", "wb") as full:
        done = patience.run([BINARY, "trace", "--json", "-d", "500ms"], stdout=full)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1, done


def test_a_file_that_may_not_grow():
    """Nor one in a file, which a thread of its own writes; and its SIGXFSZ ends nothing."""
    small = resource.RLIMIT_FSIZE, (4096, 4096)
    with Tracer(preexec=lambda: resource.setrlimit(*small)) as tracer:
        churn(30)
        status, said = patience.ended(tracer.process), tracer.stderr()
        assert os.stat(tracer.output).st_size == 4096
    assert status == 2 and said.count("\n") == 1, said
    assert f"writing to {tracer.output}: File too large" in said, said
