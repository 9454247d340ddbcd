"""Facts that this kernel keeps, found by its BTF, never by its version."""
import functools


@functools.cache
def _names():
    with open("/sys/kernel/btf/vmlinux", "rb") as file:
        return file.read()


def stamps_minisocks():
    """True if a minisock keeps when it was made or entered TIME_WAIT. Else the kernel does not know how
    long an orphan has been in FIN_WAIT_2; TIME_WAIT's timer shows when it was armed last."""
    return b"\0tw_entry_stamp\0" in _names()
