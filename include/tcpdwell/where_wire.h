/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The contract between bpf/where.bpf.c and user space: the registers of threads. These records
 * never enter a recording: recordings have stacks with names. */
#ifndef TCPDWELL_WHERE_WIRE_H
#define TCPDWELL_WHERE_WIRE_H

#include "tcpdwell/wire.h"

/* By their DWARF numbers: on x86-64 rax rdx rcx rbx rsi rdi rbp rsp r8 to r15 and the return address
 * (rip), on arm64 x0 to x30 and sp. */
#define TCPDWELL_REGISTERS 33

struct tcpdwell_registers {
	__u64 pc;
	__u64 value[TCPDWELL_REGISTERS];
};

/* A thread that waits in the kernel. */
struct tcpdwell_blocked {
	struct tcpdwell_flow
		flow; /* of the socket that args[0] is a descriptor of; family 0: none */
	struct tcpdwell_registers registers;
	__u64 switches;	      /* nvcsw + nivcsw */
	__u64 thread_pointer; /* x86-64: fsbase; else 0 */
	__u64 args[2];	      /* of the system call */
	__s64 call;	      /* number of the system call; -1: none */
	__u32 pid, tid;	      /* in the tracer's pid namespace */
	__u8 waits;	      /* 0: it runs, or is ready to */
	__u8 is_native;	      /* 0: a 32-bit process */
	__u8 pad[6];
	char comm[16];
};
TCPDWELL_ASSERT(sizeof(struct tcpdwell_blocked) % 8 == 0);

#endif
