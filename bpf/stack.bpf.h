/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who ends a minisock or a request early: no field says it, but the call stack does. It costs some
 * microseconds, so it is taken only where the end is not the ordinary one. */
#ifndef TCPDWELL_STACK_BPF_H
#define TCPDWELL_STACK_BPF_H

/* The nearest function on the stack that we know says who it was. */
static __always_inline __u8 canceller_on_stack(void *ctx)
{
	__u64 stack[STACK_DEPTH] = {};
	long size = bpf_get_stack(ctx, stack, sizeof(stack), 0);

	for (__u32 i = 0; i < STACK_DEPTH; i++) {
		if ((long)(i * sizeof(__u64)) >= size)
			break;
		for (__u32 k = 0; k < TCPDWELL_MAX_RANGES; k++)
			if (stack[i] >= ranges[k].begin && stack[i] < ranges[k].end)
				return ranges[k].canceller;
	}
	return TCPDWELL_BY_UNKNOWN;
}

#endif
