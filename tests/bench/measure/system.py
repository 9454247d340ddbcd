"""Facts about processes, CPUs and the kernel."""
import ctypes
import gzip
import os
import platform
import re
import signal

CLONE_NEWNS, MS_REC, MS_PRIVATE, PR_SET_PDEATHSIG = 0x20000, 0x4000, 1 << 18, 1
TICKS = os.sysconf("SC_CLK_TCK")
TRACEFS = "/sys/kernel/tracing"

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result, doing):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{doing}: {os.strerror(code)}")


def dies_with_us():
    """For preexec_fn: the child is killed when the bench ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def mount_tracefs():
    """Mounts it in a mount namespace of our own. The peers need it, and not every host mounts it."""
    if os.path.isdir(TRACEFS + "/events"):
        return
    _checked(_libc.unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)")
    _checked(_libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "making / private")
    _checked(_libc.mount(b"tracefs", TRACEFS.encode(), b"tracefs", 0, None), "mounting tracefs")


def cpu_seconds(pid):
    """User and system time of all threads, in nanoseconds if the kernel provides that."""
    try:
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9
    except FileNotFoundError:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def minor_faults(pid):
    """Of all threads, those that ended too."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return int(file.read().rpartition(")")[2].split()[7])


def bytes_read(pid):
    with open(f"/proc/{pid}/io", encoding="ascii") as file:
        return int(re.search(r"^rchar: (\d+)", file.read()).group(1))


def peak_rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        peak = re.search(r"^VmHWM:\s+(\d+) kB", file.read(), re.MULTILINE)
    return int(peak.group(1)) * 1024 / 1e6


def busy_seconds(cpus):
    """(time that is not idle, irq and softirq time) of some CPUs, in ticks."""
    busy = interrupts = 0
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            name, *fields = line.split()
            if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cpus:
                times = list(map(int, fields[:8]))
                busy += sum(times) - times[3] - times[4]
                interrupts += times[5] + times[6]
    return busy / TICKS, interrupts / TICKS


def _kernel_config():
    for path, opener in (("/proc/config.gz", gzip.open),
                         (f"/boot/config-{platform.release()}", open)):
        try:
            with opener(path, "rt") as file:
                return file.read()
        except OSError:
            continue
    return None


def softirqs_are_apart():
    """True if the time of softirqs is not charged to the interrupted process; None: unknown.

    Half of a loopback connection, and of what a tracer adds to it, happens in softirqs.
    """
    config = _kernel_config()
    return None if config is None else "CONFIG_IRQ_TIME_ACCOUNTING=y" in config


def facts():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"kernel": platform.release(), "machine": platform.machine(), "cpu_model": model,
            "cpus": len(os.sched_getaffinity(0)), "load_average": os.getloadavg()[0],
            "irq_time_accounting": softirqs_are_apart()}
