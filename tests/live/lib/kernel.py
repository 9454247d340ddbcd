"""Facts that this kernel keeps, found by its BTF, never by its version."""
import functools


@functools.cache
def _names():
    with open("/sys/kernel/btf/vmlinux", "rb") as file:
        return file.read()


def stamps_minisocks():
    """A minisock keeps when it was made or entered TIME_WAIT. Where it does not, nothing tells how
    long an orphan was in FIN_WAIT_2 before somebody looked; TIME_WAIT's timer tells when it was
    armed last."""
    return b"\0tw_entry_stamp\0" in _names()
