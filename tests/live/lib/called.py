"""Counts the kernel's calls of BPF for an event while a thread of pid 1 is current.

A minimal BPF program for each tracepoint counts its calls if the
current process is pid 1. Events that only a tracefs instance has were hidden from BPF.
"""
import ctypes
import os
import platform
import struct

SYS_BPF = {"x86_64": 321, "aarch64": 280}
MAP_CREATE, MAP_LOOKUP_ELEM, PROG_LOAD, RAW_TRACEPOINT_OPEN = 0, 1, 5, 17
MAP_TYPE_ARRAY, PROG_TYPE_RAW_TRACEPOINT = 2, 17
GET_CURRENT_PID_TGID, LOOKUP_ELEM = 14, 1
ATTRIBUTE_BYTES = 128

_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command, packed):
    attribute = ctypes.create_string_buffer(packed, ATTRIBUTE_BYTES)
    got = _libc.syscall(SYS_BPF[platform.machine()], command, attribute, ATTRIBUTE_BYTES)
    if got < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf(): {os.strerror(code)}")
    return got


def _instruction(code, dst=0, src=0, offset=0, immediate=0):
    return struct.pack("<BBhi", code, dst | src << 4, offset, immediate)


def _program(counters, number, process):
    """r0 = bpf_get_current_pid_tgid() >> 32; if it is `process`: counters[number]++"""
    return b"".join((
        _instruction(0x85, immediate=GET_CURRENT_PID_TGID),
        _instruction(0x77, dst=0, immediate=32),
        _instruction(0x55, dst=0, offset=9, immediate=process),  # to the end
        _instruction(0x62, dst=10, offset=-4, immediate=number),
        _instruction(0x18, dst=1, src=1, immediate=counters), _instruction(0),  # src 1: a map
        _instruction(0xbf, dst=2, src=10),
        _instruction(0x07, dst=2, immediate=-4),
        _instruction(0x85, immediate=LOOKUP_ELEM),
        _instruction(0x15, dst=0, offset=2),  # to the end
        _instruction(0xb7, dst=1, immediate=1),
        _instruction(0xdb, dst=0, src=1),  # atomic, 64 bits
        _instruction(0xb7, dst=0), _instruction(0x95)))


class Called:
    """Counts from its construction on. Raises OSError if BPF is not available."""

    def __init__(self, events, process=1):
        self._events, self._process = events, process
        self._counters = _bpf(MAP_CREATE, struct.pack("<4I", MAP_TYPE_ARRAY, 4, 8, len(events)))
        self._links = [self._attach(number, event) for number, event in enumerate(events)]

    def _attach(self, number, event):
        code = _program(self._counters, number, self._process)
        instructions = ctypes.create_string_buffer(code, len(code))
        license_text = ctypes.create_string_buffer(b"Dual BSD/GPL")
        program = _bpf(PROG_LOAD, struct.pack(
            "<IIQQ", PROG_TYPE_RAW_TRACEPOINT, len(code) // 8, ctypes.addressof(instructions),
            ctypes.addressof(license_text)))
        name = ctypes.create_string_buffer(event.encode())
        return _bpf(RAW_TRACEPOINT_OPEN, struct.pack("<QI", ctypes.addressof(name), program))

    def counts(self):
        """{event: calls}"""
        found = {}
        for number, event in enumerate(self._events):
            key, value = ctypes.c_uint32(number), ctypes.c_uint64()
            _bpf(MAP_LOOKUP_ELEM, struct.pack("<IIQQ", self._counters, 0, ctypes.addressof(key),
                                              ctypes.addressof(value)))
            found[event] = value.value
        return found
