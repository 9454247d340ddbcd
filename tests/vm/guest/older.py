# SPDX-License-Identifier: Apache-2.0
"""Hides from libbpf, and so from tcpdwell, what the kernel has and an older one has not: the names are
changed in a copy of its type information, which is mounted over the original. Whatever the programs
then still use must be in the older kernel, too, or its verifier would refuse them: the highest number
of a helper is in tests/unit/kernel/helpers_test.cpp.

    older.py 5.15
"""
import subprocess
import sys

BTF, COPY = "/sys/kernel/btf/vmlinux", "/run/btf"
# What the programs and their choice ask for (bpf_core_*_exists() in bpf/, BtfFacts), by the kernel
# before it.
NEWER_THAN = {"5.15": {
    "BPF_FUNC_loop": "5.17",
    "bpf_iter_ksym": "6.0",
    "bpf_rdonly_cast": "6.2",
    "btf_trace_sock_recv_length": "6.3",
    "btf_trace_kfree_skb": "its reason, 5.17",
}}


def main(version):
    with open(BTF, "rb") as file:
        data = file.read()
    hidden = []
    for name in NEWER_THAN[version]:
        whole = b"\0" + name.encode() + b"\0"
        if whole in data:
            data = data.replace(whole, b"\0_" + whole[2:])
            hidden.append(name)
    if "BPF_FUNC_loop" not in hidden:
        sys.exit(f"older.py: {BTF} has no BPF_FUNC_loop")
    with open(COPY, "wb") as file:
        file.write(data)
    subprocess.run(["mount", "--bind", COPY, BTF], check=True)


main(sys.argv[1])
