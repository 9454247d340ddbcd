"""A disk that stalls for a while: the trace continues, and the output's buffer holds the lines."""
import fcntl
import os
import shutil
import signal
import subprocess
import time

import pytest

from lib.patience import ended, wait_for
from lib.tracer import Tracer
from test_behaviour import about, churn

pytestmark = pytest.mark.hidden_events

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
CONNECTIONS = 10_000
RING = 4 << 20  # a third of what they make: a loop that waits for the disk would lose the rest


class Disk:
    """A file system of its own; every write() to it waits while it is stalled."""

    def __init__(self, where):
        self._root = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._stalled = False

    def stall(self):
        fcntl.ioctl(self._root, FIFREEZE, 0)
        self._stalled = True

    def go_on(self):
        if self._stalled:
            fcntl.ioctl(self._root, FITHAW, 0)
        self._stalled = False

    def close(self):
        self.go_on()
        os.close(self._root)


@pytest.fixture
def disk(tmp_path):
    if not shutil.which("mkfs.ext4"):
        pytest.skip("no mkfs.ext4: no file system to stall can be made")
    image, where = tmp_path / "image", tmp_path / "disk"
    where.mkdir()
    with open(image, "wb") as file:
        file.truncate(128 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
    done = subprocess.run(["mount", "-o", "loop", image, where], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system to stall: {done.stderr.decode().strip()}")
    stalls = Disk(where)
    yield stalls
    stalls.close()
    subprocess.run(["umount", where], check=True)


def waits_for_the_disk(pid):
    """The thread that writes is in the middle of a write()."""
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/stat", encoding="ascii") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
        if name == "tcpdwell:writer" and rest.split()[0] == "D":
            return True
    return False


def churn_while_stalled(disk, tracer, number):
    disk.stall()
    try:
        made = churn(number)
        wait_for(lambda: waits_for_the_disk(tracer.process.pid), "a write that waits")
    finally:
        disk.go_on()
    return made


def only_recursion(objects):
    """The kernel skips a program that interrupts itself; nothing else may be lost."""
    lost = [item for item in objects if item["type"] == "lost"]
    assert {item["cause"] for item in lost} <= {"recursion"}, lost


def test_nothing_is_lost(disk, tmp_path):
    with Tracer("--ring-size", RING, output=tmp_path / "disk" / "out") as tracer:
        made = churn_while_stalled(disk, tracer, CONNECTIONS)
        objects = tracer.stop()
    only_recursion(objects)
    missed = objects[-1]["lost"]
    assert 2 * CONNECTIONS + 1 - missed <= len(about(objects, made)) <= 2 * CONNECTIONS + 1
    assert objects[-1]["output_dropped"] == 0


def test_lines_beyond_the_buffer_are_dropped_whole(disk, tmp_path):
    """The loop does not wait for the disk, so the ring loses nothing; every line that is missing
    is counted."""
    with Tracer("--ring-size", RING, "--output-buffer", "1M",
                output=tmp_path / "disk" / "out") as tracer:
        made = churn_while_stalled(disk, tracer, CONNECTIONS)
        objects = tracer.stop()
        said = tracer.stderr()
    only_recursion(objects)
    end = objects[-1]
    there = len(about(objects, made)) + len(about(objects, made, "transition"))
    lines = 8 * CONNECTIONS + 3  # 6 transitions and 2 ends each; 3 of the listener
    assert there < lines / 2, "1 MiB holds less than 2,000 of them"
    assert there + end["output_dropped"] + 2 * end["lost"] + end["unseen"] >= lines
    assert f"dropped {end['output_dropped']:,} lines" in said, said


def test_ctrl_c_waits_for_the_disk(disk, tmp_path):
    """A file is whole, however long it takes."""
    output = tmp_path / "disk" / "out"
    with Tracer(output=output) as tracer:
        disk.stall()
        try:
            churn(10)
            wait_for(lambda: waits_for_the_disk(tracer.process.pid), "a write that waits")
            tracer.process.send_signal(signal.SIGINT)
            time.sleep(1.5)  # a reader of a pipe would be given up by now
            assert tracer.process.poll() is None
        finally:
            disk.go_on()
        assert ended(tracer.process) == 0
    assert output.read_bytes().splitlines()[-1].startswith(b'{"type":"end"')
