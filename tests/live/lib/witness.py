"""A process that records through ftrace the events that this kernel may hide from BPF.

Some kernels under some hypervisors' agents do not call BPF programs for what a softirq does while
a thread of pid 1, the agent, is current. Observed on Linux 6.18 with 6,000 short-lived orphans and
a storm of processes for pid 1 to reap: of 21 events of inet_sock_set_state, timer_start and
timer_expire_entry that the ftrace ring had with such a `current` in softirq context, BPF programs on
the same tracepoints were called for none; they were called for all of the other 68,000, and not
once with such a `current`. One interrupt can hide several events in a row. The ftrace ring has
them all, for any `current`.

Whether this kernel is one of them is measured. BPF programs on the same tracepoints count
their calls while pid 1 is current (called.py), and an event counts as hidden only if ftrace has
more of its kind.

The events go into a tracefs instance of its own, which the kernel fills only while a thread of pid 1
is current (set_event_pid). tracefs is used through a detached mount, so only the instance
can be left behind; it is removed at the end, also if the parent dies.

Run as a program (python -m lib.witness). It prints one line when it is ready, {"why": ""}, or the reason why it is not available; then it answers
each line on stdin with a line: all hidden events since the last answer. It ends with its stdin.
"""
import contextlib
import ctypes
import json
import os
import re
import select
import signal
import sys

from .called import Called

FSOPEN, FSCONFIG, FSMOUNT = 430, 431, 432  # the same on every architecture
FSCONFIG_CMD_CREATE, CLOEXEC = 6, 1
PR_SET_PDEATHSIG = 1
EVENTS = ("sock/inet_sock_set_state", "timer/timer_start", "timer/timer_cancel",
          "timer/timer_expire_entry", "tcp/tcp_send_reset", "tcp/tcp_retransmit_skb",
          "skb/kfree_skb")
TIMERS = {"tw_timer_handler", "reqsk_timer_handler"}
BUFFER_KB = 1024  # per CPU, for some events a second
LOOK_S = 0.2
QUIET_LOOKS = 20  # until nothing happens between two looks at BPF's counters

LINE = re.compile(r"\s*.+-(?P<tid>\d+) +\[\d+\] (?P<flags>\S+) +(?P<s>\d+)\.(?P<us>\d{6}): "
                  r"(?P<event>\w+): (?P<text>.*)")
WORD = re.compile(r"(\w+)=(\S+)")

_libc = ctypes.CDLL(None, use_errno=True)


def _syscall(*arguments):
    got = _libc.syscall(*arguments)
    if got < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return got


def mounted_nowhere():
    """An fd of tracefs' root."""
    context = _syscall(FSOPEN, b"tracefs", CLOEXEC)
    try:
        _syscall(FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)
        return _syscall(FSMOUNT, context, CLOEXEC, 0)
    finally:
        os.close(context)


class Instance:
    """A tracefs instance that records events while a thread of pid 1 is current."""

    def __init__(self):
        root = f"/proc/self/fd/{mounted_nowhere()}"
        self._path = f"{root}/instances/tcpdwell-test-{os.getpid()}"
        os.mkdir(self._path)
        try:
            self._write("trace_clock", "mono")
            self._write("buffer_size_kb", str(BUFFER_KB))
            self._tids, self._rest = set(), b""
            self.follow()
            self._pipe = os.open(f"{self._path}/trace_pipe", os.O_RDONLY | os.O_NONBLOCK)
            for event in EVENTS:
                if os.path.exists(f"{self._path}/events/{event}"):
                    self._write(f"events/{event}/enable", "1")
        except BaseException:
            self.close()
            raise

    def _write(self, name, text, flags=0):
        fd = os.open(f"{self._path}/{name}", os.O_WRONLY | flags)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)

    def follow(self):
        """pid 1 may have started a thread."""
        tids = set(os.listdir("/proc/1/task"))
        for tid in tids - self._tids:
            self._write("set_event_pid", tid, os.O_APPEND)
        self._tids = tids

    def lines(self):
        """The lines since the last call."""
        while True:
            try:
                data = os.read(self._pipe, 1 << 16)
            except BlockingIOError:
                break
            if not data:
                break
            self._rest += data
        *whole, self._rest = self._rest.split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

    def close(self):
        with contextlib.suppress(OSError):
            self._write("tracing_on", "0")
        if hasattr(self, "_pipe"):
            os.close(self._pipe)
        os.rmdir(self._path)


def parse(line):
    """One event in softirq context, or None."""
    match = LINE.match(line)
    if match is None or match["flags"][2:3] not in ("s", "H"):
        return None
    words = dict(WORD.findall(match["text"]))
    event = {"at": (int(match["s"]) * 1_000_000 + int(match["us"])) * 1000,
             "tid": int(match["tid"]), "event": match["event"], "text": match["text"]}
    if "sport" in words:
        if words.get("protocol", "IPPROTO_TCP") != "IPPROTO_TCP":
            return None
        event["ends"] = [_end(words, "s"), _end(words, "d")]
    elif "src" in words:
        event["ends"] = [_split(words["src"]), _split(words["dest"])]
    elif match["event"] == "kfree_skb":  # with a socket: a minisock takes or refuses a segment
        if not re.search(r"location=tcp_v[46]_rcv", match["text"]) or \
                not int(words.get("rx_sk", "0"), 16):
            return None
        event["function"] = "tw_timer_handler"
    else:
        event["timer"], event["function"] = words.get("timer"), words.get("function")
    return event


def _end(words, side):
    v6 = words.get(f"{side}addrv6", "::ffff:")
    address = words[f"{side}addr"] if v6.startswith("::ffff:") else v6
    return [address, int(words[f"{side}port"])]


def _split(end):
    address, _, port = end.rpartition(":")
    return [address.strip("[]").removeprefix("::ffff:"), int(port)]


def learn(events, functions):
    """The function that each timer calls."""
    functions.update({event["timer"]: event["function"] for event in events
                      if event.get("function") and "timer" in event})


def of_tcp(events, functions):
    """Without the timers of others. A timer that was cancelled and did nothing else may be TCP's."""
    learn(events, functions)
    for event in events:
        if "timer" in event:
            event["function"] = event["function"] or functions.get(event["timer"])
    return [event for event in events
            if "ends" in event or event["function"] in (None, *TIMERS)]


class Comparison:
    """Events that ftrace has and BPF was not called for, since the last look."""

    def __init__(self, instance, called):
        self._instance, self._called = instance, called
        self._lines = dict.fromkeys(called.counts(), 0)
        self._missed = {}
        self.look()  # one of the two was attached before the other

    def look(self):
        """The lines that have come, and the names of those events of which more were missed."""
        lines = []
        for _ in range(QUIET_LOOKS):
            calls = self._called.counts()
            lines += self._instance.lines()
            if calls == self._called.counts():
                break
        for line in lines:
            match = LINE.match(line)
            if match and match["event"] in self._lines:
                self._lines[match["event"]] += 1
        missed = {event: count - calls[event] for event, count in self._lines.items()}
        grown = {event for event, count in missed.items() if count > self._missed.get(event, count)}
        self._missed = missed
        return lines, grown


def serve(instance, called):
    events, functions, lost = [], {}, 0
    comparison = Comparison(instance, called)
    while True:
        asked = select.select([sys.stdin], [], [], LOOK_S)[0]
        instance.follow()
        lines, hidden = comparison.look()
        lost += sum("LOST" in line for line in lines)
        come = [event for event in map(parse, lines) if event]
        learn(come, functions)
        events += [event for event in come if event["event"] in hidden]
        if asked:
            if not sys.stdin.readline():
                return
            print(json.dumps({"events": of_tcp(events, functions), "lost": lost}), flush=True)
            events = []


def main():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles a SIGINT of the terminal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        called = Called([event.partition("/")[2] for event in EVENTS])
    except (OSError, KeyError) as error:
        print(json.dumps({"why": f"no BPF to compare with: {error}"}), flush=True)
        return
    try:
        instance = Instance()
    except OSError as error:
        print(json.dumps({"why": f"no tracefs: {error}"}), flush=True)
        return
    try:
        print(json.dumps({"why": ""}), flush=True)
        serve(instance, called)
    finally:
        instance.close()


if __name__ == "__main__":
    main()
