/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The user registers of a task, as of its entry into the kernel. */
#ifndef TCPDWELL_REGISTERS_BPF_H
#define TCPDWELL_REGISTERS_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "tcpdwell/where_wire.h"

#if defined(__TARGET_ARCH_x86)

#define USER32_CS_ 0x23

/* vmlinux.h has no registers: they differ by architecture. */
struct pt_regs___x86 {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip;
	unsigned short cs;
	unsigned long flags, sp, ss;
} __attribute__((preserve_access_index));

/* Returns 0 for a 32-bit process. */
static __always_inline __u8 read_registers(struct tcpdwell_registers *out,
					   const struct pt_regs *regs)
{
	const struct pt_regs___x86 *x86 = (const void *)regs;

	out->pc = BPF_CORE_READ(x86, ip);
	out->value[0] = BPF_CORE_READ(x86, ax);
	out->value[1] = BPF_CORE_READ(x86, dx);
	out->value[2] = BPF_CORE_READ(x86, cx);
	out->value[3] = BPF_CORE_READ(x86, bx);
	out->value[4] = BPF_CORE_READ(x86, si);
	out->value[5] = BPF_CORE_READ(x86, di);
	out->value[6] = BPF_CORE_READ(x86, bp);
	out->value[7] = BPF_CORE_READ(x86, sp);
	out->value[8] = BPF_CORE_READ(x86, r8);
	out->value[9] = BPF_CORE_READ(x86, r9);
	out->value[10] = BPF_CORE_READ(x86, r10);
	out->value[11] = BPF_CORE_READ(x86, r11);
	out->value[12] = BPF_CORE_READ(x86, r12);
	out->value[13] = BPF_CORE_READ(x86, r13);
	out->value[14] = BPF_CORE_READ(x86, r14);
	out->value[15] = BPF_CORE_READ(x86, r15);
	out->value[16] = out->pc;
	return BPF_CORE_READ(x86, cs) != USER32_CS_;
}

static __always_inline void read_system_call(__s64 *call, __u64 *args, const struct pt_regs *regs)
{
	const struct pt_regs___x86 *x86 = (const void *)regs;

	*call = (__s64)BPF_CORE_READ(x86, orig_ax);
	args[0] = BPF_CORE_READ(x86, di);
	args[1] = BPF_CORE_READ(x86, si);
}

static __always_inline __u64 thread_pointer_of(const struct task_struct *task)
{
	return task->thread.fsbase;
}

static __always_inline __u64 stack_pointer_of(const struct tcpdwell_registers *registers)
{
	return registers->value[7];
}

#elif defined(__TARGET_ARCH_arm64)

#define PSR_MODE32_BIT_ 0x10

/* libbpf has a pt_regs___arm64. */
struct pt_regs___aarch64 {
	__u64 regs[31];
	__u64 sp, pc, pstate, orig_x0;
	__s32 syscallno;
} __attribute__((preserve_access_index));

static __always_inline __u8 read_registers(struct tcpdwell_registers *out,
					   const struct pt_regs *regs)
{
	const struct pt_regs___aarch64 *arm = (const void *)regs;

	bpf_core_read(out->value, 31 * sizeof(__u64), &arm->regs);
	out->value[31] = BPF_CORE_READ(arm, sp);
	out->pc = BPF_CORE_READ(arm, pc);
	return !(BPF_CORE_READ(arm, pstate) & PSR_MODE32_BIT_);
}

static __always_inline void read_system_call(__s64 *call, __u64 *args, const struct pt_regs *regs)
{
	const struct pt_regs___aarch64 *arm = (const void *)regs;

	*call = BPF_CORE_READ(arm, syscallno);
	args[0] = BPF_CORE_READ(arm, orig_x0);
	args[1] = BPF_CORE_READ(arm, regs[1]);
}

static __always_inline __u64 thread_pointer_of(const struct task_struct *task)
{
	return 0; /* the thread's id in user space is at an offset that the C library chooses */
}

static __always_inline __u64 stack_pointer_of(const struct tcpdwell_registers *registers)
{
	return registers->value[31];
}

#else
#error "the registers of this architecture are not known"
#endif

#endif
