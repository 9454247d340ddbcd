"""Asking a recording about a moment, a host by default options, and `leaks` with limits."""
import json
import os
import re
import socket
import subprocess
import time

import pytest

from lib import patience
from lib.patience import wait_for
from lib.tracer import BINARY, Tracer
from test_behaviour import run
from test_recording import netns_fixture, read_bytes, replay  # noqa: F401

pytestmark = pytest.mark.hidden_events
ADDRESSES = pytest.mark.parametrize("address", ["127.0.0.1", "::1"], ids=["ipv4", "ipv6"])


class Leak:
    """A server that keeps a socket whose client has closed, in the present namespace."""

    def __init__(self, address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.create_server((address, 0), family=family) as listener:
            client = socket.create_connection(listener.getsockname()[:2])
            self.server, _ = listener.accept()
        self.port = self.server.getsockname()[1]
        client.close()
        assert self.server.recv(1) == b""

    def close(self):
        self.server.close()


def between(lines, kind, since, until):
    """The lines of this kind of object that happened in [since, until)."""
    items = [(json.loads(line), line) for line in lines]
    return [line for item, line in items
            if item["type"] == kind and since <= item["mono_ns"] < until]


@pytest.fixture(name="recording")
def _recording(netns, tmp_path):
    """Its path, its printed lines, and the moment between its two leaks; one ends, one does not."""
    path = tmp_path / "run.tdw"
    with netns.inside(), Tracer("--netns", "self", "--record", path,
                                "--flag", "CLOSE_WAIT=100ms") as tracer:
        def flags():
            return [item for item in tracer.objects() if item["type"] == "flag"]
        first = Leak("127.0.0.1")
        wait_for(lambda: len(flags()) == 1, "the first flag")
        middle = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        second = Leak("::1")
        wait_for(lambda: len(flags()) == 2, "the second flag")
        first.close()
        wait_for(lambda: len(flags()) == 3, "its end")
        tracer.stop()
        printed = read_bytes(tracer.output).splitlines()
    second.close()
    return path, printed, middle


def test_since_and_until_are_a_part_of_the_whole(recording):
    path, printed, middle = recording
    begin = json.loads(printed[0])["mono_ns"]
    offset = f"+{middle - begin}ns"
    parts = []
    for window, since, until in ((["--until", offset], 0, middle),
                                 (["--since", offset], middle, 1 << 63)):
        text, errors, status = replay(path, "--json", *window)
        assert status == 0, errors
        lines = text.splitlines()
        assert lines[0] == printed[0] and lines[-1] == printed[-1], "start and end always stand"
        for kind in ("transition", "flag", "connection"):
            assert between(lines, kind, since, until) == between(printed, kind, since, until)
        parts.append(lines[1:-1])
    assert all(parts) and sorted(parts[0] + parts[1]) == sorted(printed[1:-1])


def test_wall_clock_times(recording):
    """In any zone: the same moment."""
    path, printed, middle = recording
    start = json.loads(printed[0])
    wall = (time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC) + middle) / 1e9
    utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall)) + f"{wall % 1:.6f}"[1:]
    wanted = replay(path, "--json", "--since", f"+{middle - start['mono_ns']}ns")[0]
    assert replay(path, "--json", "--since", utc + "Z")[0] == wanted
    for zone in ("UTC-9", "UTC+5"):
        local = time.gmtime(wall + {"UTC-9": 9, "UTC+5": -5}[zone] * 3600)
        of_day = time.strftime("%H:%M:%S", local) + f"{wall % 1:.6f}"[1:]
        done = patience.run([BINARY, "replay", path, "--json", "--since", of_day],
                            env={**os.environ, "TZ": zone})
        assert done.stdout == wanted, (zone, of_day, done.stderr)


def test_leaks_of_a_moment(recording):
    """At the middle the first socket was stuck, at the end the second."""
    path, printed, middle = recording
    raised = [json.loads(line) for line in printed if b'"event":"raised"' in line]
    begin = json.loads(printed[0])["mono_ns"]
    for window, wanted in ((["--until", f"+{middle - begin + 10**7}ns"], raised[0]),
                           ([], raised[1])):
        text, errors, status = replay(path, "leaks", "--json", *window)
        objects = [json.loads(line) for line in text.splitlines()]
        assert [item["type"] for item in objects] == ["start", "flag", "end"], errors
        flag, end = objects[1:]
        assert (flag["cookie"], flag["family"]) == (wanted["cookie"], wanted["family"])
        assert flag["dwell_ns"] - wanted["dwell_ns"] == end["mono_ns"] - wanted["mono_ns"]
        assert status == 1
        text, errors, status = replay(path, "leaks", *window)
        assert status == 1 and b"1 socket stuck, 1 group" in text, (text, errors)
    assert replay(path, "leaks", "--until", "+0.0s")[2] == 2, "no duration"
    text, _, status = replay(path, "leaks", "--until", "+1ms")
    assert status == 0 and b"nothing is stuck" in text
    _, errors, status = replay(path, "leaks", "--until", "+1h")
    assert status == 1 and "ends before --until: this is what was stuck at its end" in errors
    assert replay(path, "leaks", "--min-count", "2")[2] == 0


def test_stats_of_a_window(recording):
    """What the window has, counted from its lines; NOW is the table's of its end."""
    path, printed, middle = recording
    begin = json.loads(printed[0])["mono_ns"]
    text, errors, status = replay(path, "stats", "1h", "--json", "--since",
                                  f"+{middle - begin}ns")
    assert status == 0, errors
    total = [item for item in map(json.loads, text.splitlines()) if item["type"] == "stats"][-1]
    rows = {row["state"]: row for row in total["rows"]}
    second = [json.loads(line) for line in printed
              if b'"transition"' in line and b'"family":"ipv6"' in line]
    assert rows["CLOSE_WAIT"]["entered"] == sum(
        item["to"] == "CLOSE_WAIT" for item in second) == 1, "the first leak was before it"
    assert rows["CLOSE_WAIT"]["left"] == 1 and rows["CLOSE_WAIT"]["now"] == 1
    assert total["interval_ns"] < json.loads(printed[-1])["mono_ns"] - middle + 10**9


def test_info(recording):
    path, printed, _ = recording
    start, end = json.loads(printed[0]), json.loads(printed[-1])
    text, errors, status = replay(path, "info", "--json")
    assert status == 0, errors
    info, = map(json.loads, text.splitlines())
    assert (info["type"], info["time"], info["end_time"]) == ("info", start["time"], end["time"])
    for name in ("host", "kernel", "version"):
        assert info[name] == start[name]
    for name in ("events", "transitions", "lost", "connections", "open", "flags_raised",
                 "flags_open"):
        assert info[name] == end[name], name
    assert info["files"] == [{"path": str(path), "bytes": path.stat().st_size}]
    text = replay(path, "info")[0].decode()
    assert re.search(r"^flags +2 raised, 1 still raised", text, re.M), text


def test_a_window_after_the_end_is_told(recording):
    text, errors, status = replay(recording[0], "--since", "+1h")
    assert status == 0 and b"LISTEN" not in text and "ends before --since" in errors


@pytest.fixture(name="home")
def _home(tmp_path):
    config = tmp_path / "tcpdwell.toml"
    return config, {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}


def test_a_file_of_defaults_is_read_and_told(home):
    config, env = home
    config.write_text("json = true\n[check]\nquiet = true\n", encoding="utf-8")
    done = run("check", "-v", env=env)
    assert done.stdout.startswith(b'{"type":"check"'), done.stdout
    assert f"read defaults from {config}".encode() in done.stderr
    for options in (["--no-config"], ["--config", "/dev/stdin"]):
        done = run("check", "-v", *options, env=env, stdin=subprocess.DEVNULL)
        assert b"read defaults" not in done.stderr and not done.stdout.startswith(b"{"), options
    env["TCPDWELL_JSON"] = "false"
    assert not run("check", env=env).stdout.startswith(b"{"), "the environment is stronger"


def test_root_ignores_a_file_that_others_can_write(home):
    config, env = home
    config.write_text("json = true\n", encoding="utf-8")
    for spoil in (lambda: config.chmod(0o666), lambda: os.chown(config, 65534, -1)):
        config.chmod(0o644)
        spoil()
        done = run("check", env=env)
        assert done.returncode == 0 and not done.stdout.startswith(b"{")
        line, = done.stderr.splitlines()
        assert str(config).encode() in line and b"no defaults are read" in line


def test_defaults_change_no_replay(home, recording):
    config, env = home
    path, printed, _ = recording
    config.write_text('port = 1\nflag = "CLOSE_WAIT=1h"\n', encoding="utf-8")
    env.update(TCPDWELL_ONLY="flag", TCPDWELL_PORT="2")
    done = patience.run([BINARY, "replay", path, "--json"], env=env)
    assert done.stdout.splitlines() == printed, done.stderr


def test_a_wrong_file_names_itself(home):
    config, env = home
    config.write_text("prot = 80\n", encoding="utf-8")
    done = run("check", env=env)
    assert done.returncode == 2
    assert b"tcpdwell.toml: not an option: prot. Did you mean port?" in done.stderr


@ADDRESSES
def test_limits_decide_the_status_of_leaks(netns, address):
    asked = ("leaks", "--netns", "self", "--flag", "CLOSE_WAIT=100ms")
    with netns.inside():
        held = [Leak(address) for _ in range(3)]
        wait_for(lambda: run(*asked, "--min-count", "3").returncode == 1, "three that are stuck")
        assert run(*asked, "--min-count", "4").returncode == 0
        watch = ("--watch", "500ms", "--count", "2")
        done = run(*asked, *watch, "--json", "--growth", "1/min")
        assert (done.returncode, done.stdout.count(b'"raised"')) == (0, 6), "none grew"
        assert run(*asked, *watch).returncode == 1
        text = run(*asked, "--top", "2").stdout.decode()
        assert len(re.findall(r"^ +1  CLOSE_WAIT", text, re.M)) == 2, text
        assert "and 1 more group with 1 socket (--top)" in text
        with subprocess.Popen([BINARY, *asked, "--watch", "200ms", "--count", "15", "--json",
                               "--growth", "1/min"], stdout=subprocess.PIPE) as growing:
            growing.stdout.readline()  # start: it has scanned once when the first flag comes
            growing.stdout.readline()
            held.append(Leak(address))
            growing.stdout.read()
        assert growing.returncode == 1, "a group that is new began with 0"
        for each in held:
            each.close()


def test_stats_by_the_service_and_by_who_closes(netns):
    with netns.inside(), Tracer("1h", "--netns", "self", "--by", "port", command="stats") as ports, \
            Tracer("1h", "--netns", "self", "--by", "closed_by", command="stats") as closers, \
            Tracer("1h", "--netns", "self", "--by", "pid", command="stats") as pids:
        leak = Leak("127.0.0.1")
        leak.close()
        rows = {}
        for name, tracer in (("port", ports), ("closed_by", closers), ("pid", pids)):
            record = [item for item in tracer.stop() if item["type"] == "stats"][-1]
            assert record["by"] == name
            rows[name] = {(row["key"], row["state"]): row for row in record["rows"]}
    assert rows["port"][str(leak.port), "ESTABLISHED"]["left"] == 2, "both ends"
    assert {key for key, _ in rows["port"]} == {str(leak.port)}, "no ephemeral port"
    assert rows["closed_by"]["remote", "CLOSE_WAIT"]["left"] == 1, "the server's end"
    # A server's end has no owner before accept().
    assert {key for key, _ in rows["pid"]} - {None} == {str(os.getpid())}
    assert rows["pid"][str(os.getpid()), "SYN_SENT"]["left"] == 1
