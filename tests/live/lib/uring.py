"""Minimal io_uring to accept one connection without liburing and without the system call accept."""
import ctypes
import mmap
import os
import struct

SETUP, ENTER = 425, 426
OFF_SQ_RING, OFF_CQ_RING, OFF_SQES = 0, 0x8000000, 0x10000000
OP_ACCEPT, ENTER_GETEVENTS = 13, 1

_syscall = ctypes.CDLL(None, use_errno=True).syscall


class Unavailable(Exception):
    """io_uring is missing or not permitted."""


def accept(listener):
    """Accepts on the listening socket's fd by io_uring; returns the new fd."""
    params = ctypes.create_string_buffer(120)
    ring = _syscall(SETUP, 4, params)
    if ring < 0:
        raise Unavailable(os.strerror(ctypes.get_errno()))
    try:
        return _one_accept(ring, listener.fileno(), params.raw)
    finally:
        os.close(ring)


def _one_accept(ring, fd, params):
    head, tail, mask, _, _, _, array = struct.unpack_from("=7I", params, 40)
    cq_head, _, cq_mask, _, _, cqes = struct.unpack_from("=6I", params, 80)
    del head, mask, cq_mask
    with mmap.mmap(ring, 4096, offset=OFF_SQ_RING) as queue, \
            mmap.mmap(ring, 4096, offset=OFF_CQ_RING) as done, \
            mmap.mmap(ring, 4096, offset=OFF_SQES) as entries:
        entries[0:64] = struct.pack("=BBHiQQIIQ", OP_ACCEPT, 0, 0, fd, 0, 0, 0, 0, 1) + bytes(24)
        queue[array:array + 4] = struct.pack("=I", 0)
        queue[tail:tail + 4] = struct.pack("=I", 1)
        if _syscall(ENTER, ring, 1, 1, ENTER_GETEVENTS, None, 0) < 0:
            raise Unavailable(os.strerror(ctypes.get_errno()))
        _, result = struct.unpack_from("=Qi", done, cqes)
        done[cq_head:cq_head + 4] = struct.pack("=I", 1)
    if result < 0:
        raise Unavailable(f"accept by io_uring: {os.strerror(-result)}")
    return result
