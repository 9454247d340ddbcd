"""Capabilities: those that a process starts with, and those of its threads."""
import ctypes
import os
import struct

NAMES = {"DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "KILL": 5, "NET_ADMIN": 12, "SYS_PTRACE": 19,
         "SYS_ADMIN": 21, "SYSLOG": 34, "PERFMON": 38, "BPF": 39}
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 23, 24, 38, 22
SYS_BPF, EPERM = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine), 1

_libc = ctypes.CDLL(None, use_errno=True)


def mask(*names):
    return sum(1 << NAMES[name] for name in names)


def names_in(number):
    known = {name for name, bit in NAMES.items() if number >> bit & 1}
    return known | {bit for bit in range(64) if number >> bit & 1 and bit not in NAMES.values()}


def _leave(keep):
    """Limits root's capabilities after the next exec, by the bounding set."""
    for capability in range(64):
        if _libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1 and not keep(capability):
            _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def only(*names):
    """A preexec function: these capabilities and no other."""
    return lambda: _leave(lambda capability: mask(*names) >> capability & 1)


def all_but(*names):
    return lambda: _leave(lambda capability: not mask(*names) >> capability & 1)


def without_bpf():
    """A preexec function: a seccomp filter that refuses bpf(), as in a container."""
    def statement(code, yes, no, value):
        return struct.pack("HBBI", code, yes, no, value)
    program = (statement(0x20, 0, 0, 0)              # load the number of the system call
               + statement(0x15, 0, 1, SYS_BPF)      # bpf()?
               + statement(0x06, 0, 0, 0x00050000 | EPERM)
               + statement(0x06, 0, 0, 0x7fff0000))  # all others are allowed
    code = ctypes.create_string_buffer(program, len(program))
    filters = ctypes.create_string_buffer(
        struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _libc.prctl(PR_SET_SECCOMP, 2, filters, 0, 0)


def threads(pid):
    """{tid: {"CapEff": {...}, "CapPrm": ..., "CapInh": ..., "CapAmb": ..., "NoNewPrivs": "1",
    "Name": "..."}}"""
    return {tid: _status(f"/proc/{pid}/task/{tid}/status") for tid in os.listdir(f"/proc/{pid}/task")}


def _status(path):
    with open(path, encoding="ascii", errors="replace") as file:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    sets = {key: names_in(int(fields[key], 16)) for key in ("CapEff", "CapPrm", "CapInh", "CapAmb")}
    return {**sets, "NoNewPrivs": fields["NoNewPrivs"], "Name": fields["Name"]}
