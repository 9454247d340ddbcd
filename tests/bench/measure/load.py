"""The load: churn and iperf3, each in a network namespace that was made for it."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../live"))

from lib.netns import Netns, sysctl  # noqa: E402

from . import system  # noqa: E402

BUILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../build")
CHURN = os.environ.get("TCPDWELL_CHURN", os.path.join(BUILD, "tests/bench/churn"))
READER = os.environ.get("TCPDWELL_READER", os.path.join(BUILD, "tests/bench/reader"))
PORTS = range(9000, 9004)  # one per thread
PROBE_PORT, WARM_PORT, IPERF_PORT = 8000, 7000, 5201
FILLS_A_RING = 30_000  # connections: 32 MB of records, and some more
SLOWEST_PER_S = 500  # connections, on the slowest machine that is worth measuring


class Failed(Exception):
    """A measurement failed; the text says why."""


@contextlib.contextmanager
def space():
    """A namespace whose TIME_WAIT table can hold all connections of a run. Removed with its descriptor."""
    host = Netns.current()
    try:
        netns = Netns.create()
        sysctl("ipv4.tcp_max_tw_buckets", 4_000_000)
    finally:
        host.enter()
        host.close()
    try:
        yield netns
    finally:
        netns.close()


def settle(cpus, most_s):
    """Waits until the CPUs are idle: the kernel still removes the sockets of the last namespace."""
    deadline = time.monotonic() + most_s
    while time.monotonic() < deadline:
        before, _ = system.busy_seconds(cpus)
        time.sleep(0.2)
        if system.busy_seconds(cpus)[0] - before <= 0.02 * len(cpus):
            return


def _run(netns, command, timeout):
    with netns.inside():
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, start_new_session=True,
                                   preexec_fn=system.dies_with_us)
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        end(process)
    if process.returncode != 0:
        raise Failed(f"{os.path.basename(command[0])} failed: {err.strip() or out.strip()}")
    return out


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()


def churn(netns, cpus, seconds=None, connections=None, port=PORTS[0]):
    """One thread per CPU. Returns its own numbers, and the times of its CPUs."""
    if connections is None:
        length, patience = ["--seconds", str(seconds)], seconds
    else:
        length, patience = ["--connections", str(connections)], connections / SLOWEST_PER_S
    before = system.busy_seconds(cpus)
    said = json.loads(_run(netns, [CHURN, "--threads", str(len(cpus)), "--cpu",
                                   ",".join(map(str, cpus)), "--port", str(port), *length],
                           patience + 60))
    after = system.busy_seconds(cpus)
    said["cpus_busy_s"], said["softirq_s"] = (round(a - b, 3) for a, b in zip(after, before))
    return said


def warm_up(cpus, seconds):
    """A load that ends before the measured one begins: its connections end with its namespace,
    and a tracer can reuse their memory."""
    with space() as netns:
        said = [churn(netns, cpus, seconds=seconds, port=WARM_PORT)]
        missing = FILLS_A_RING - said[0]["connections"]
        if missing > 0:
            said.append(churn(netns, cpus, connections=missing, port=WARM_PORT))
    return {name: sum(part[name] for part in said) for name in ("transitions", "seconds")}


def probe(netns):
    """Some connections of no interest, on another port."""
    _run(netns, [CHURN, "--connections", "60", "--port", str(PROBE_PORT)], 60)


def null_syscall(cpu, seconds):
    with contextlib.closing(Netns.current()) as here:
        return json.loads(_run(here, [CHURN, "--null-syscall", "--cpu", str(cpu), "--seconds",
                                      str(seconds)], seconds + 60))


@contextlib.contextmanager
def churning(netns, cpu):
    """Connections as long as the block lasts."""
    with netns.inside():
        process = subprocess.Popen(
            [CHURN, "--cpu", str(cpu), "--until-stdin-closes", "--announce", "--port", str(PORTS[0])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
            preexec_fn=system.dies_with_us)
    try:
        if process.stdout.readline() != "ready\n":
            raise Failed("churn did not begin")
        yield
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=30)
        end(process)
        process.stdout.close()


def bulk(netns, seconds):
    """One stream at full speed over loopback: Gbit/s."""
    if not shutil.which("iperf3"):
        raise Failed("no iperf3 here")
    server = ["iperf3", "-s", "-1", "-p", str(IPERF_PORT)]
    with netns.inside():
        process = subprocess.Popen(server, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=system.dies_with_us)
    try:
        for _ in range(100):
            if _listens(netns):
                break
            time.sleep(0.05)
        said = json.loads(_run(netns, ["iperf3", "-J", "-c", "127.0.0.1", "-p", str(IPERF_PORT),
                                       "-t", str(seconds)], seconds + 60))
    finally:
        end(process)
    return said["end"]["sum_received"]["bits_per_second"] / 1e9


def _listens(netns):
    with netns.inside():
        done = subprocess.run(["ss", "-tlnH", f"sport = :{IPERF_PORT}"], capture_output=True,
                              check=False)
    return bool(done.stdout.strip())
