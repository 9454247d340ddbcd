/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The timer tracepoints, for the two timers that are ours. Only the first argument: the others
 * changed between 6.5 and 6.8. They run for every timer of the host: the filter comes first. */
#ifndef TCPDWELL_TIMER_BPF_H
#define TCPDWELL_TIMER_BPF_H

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
