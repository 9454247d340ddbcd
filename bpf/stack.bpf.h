/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Why a minisock or request ends early: no field has the reason, but the call stack shows it. A
 * stack costs some microseconds, so only unusual ends take one. */
#ifndef TCPDWELL_STACK_BPF_H
#define TCPDWELL_STACK_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "tcpdwell/wire.h"

/* The verifier checks a global function once, not for each frame and each program. */
__noinline int canceller_at(__u64 address)
{
	for (__u32 i = 0; i < TCPDWELL_MAX_RANGES; i++)
		if (address >= ranges[i].begin && address < ranges[i].end)
			return ranges[i].canceller;
	return TCPDWELL_BY_UNKNOWN;
}

/* The innermost known function on the stack decides. */
static __always_inline __u8 canceller_on_stack(void *ctx)
{
	__u64 stack[STACK_DEPTH] = {};
	long size = bpf_get_stack(ctx, stack, sizeof(stack), 0);

	for (__u32 i = 0; i < STACK_DEPTH; i++) {
		int canceller;

		if ((long)(i * sizeof(__u64)) >= size)
			break;
		canceller = canceller_at(stack[i]);
		if (canceller != TCPDWELL_BY_UNKNOWN)
			return canceller;
	}
	return TCPDWELL_BY_UNKNOWN;
}

#endif
