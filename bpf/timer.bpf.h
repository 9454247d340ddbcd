/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The timer tracepoints, for the timers of minisocks and requests. Use only the first argument: the
 * others changed between 6.5 and 6.8. The programs run for every timer of the host: check the
 * function first. */
#ifndef TCPDWELL_TIMER_BPF_H
#define TCPDWELL_TIMER_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "config.bpf.h"
#include "core_compat.bpf.h"
#include "minisock.bpf.h"
#include "request.bpf.h"
#include "tcpdwell/wire.h"

static __always_inline void on_timer(void *ctx, const struct timer_list *timer, __u8 op)
{
	__u64 fn = (__u64)timer->function;

	if (fn == tw_timer_fn) {
		const struct inet_timewait_sock *tw = (void *)timer -
						      bpf_core_field_offset(
							      struct inet_timewait_sock, tw_timer);

		emit_minisock(ctx, TYPED(struct inet_timewait_sock, tw), op);
	} else if (fn == reqsk_timer_fn) {
		const struct request_sock *req = (void *)timer -
						 bpf_core_field_offset(struct request_sock,
								       rsk_timer);

		emit_request(ctx, TYPED(struct request_sock, req), op);
	}
}

SEC("?tp_btf/timer_start")
int BPF_PROG(on_timer_start, struct timer_list *timer)
{
	on_timer(ctx, timer, TCPDWELL_START);
	return 0;
}

SEC("?tp_btf/timer_cancel")
int BPF_PROG(on_timer_cancel, struct timer_list *timer)
{
	on_timer(ctx, timer, TCPDWELL_CANCEL);
	return 0;
}

SEC("?tp_btf/timer_expire_entry")
int BPF_PROG(on_timer_expire, struct timer_list *timer)
{
	on_timer(ctx, timer, TCPDWELL_EXPIRE);
	return 0;
}

#endif
