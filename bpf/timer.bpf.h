/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The timer tracepoints, for the two timers that are ours. Only the first argument: the others
 * changed between 6.5 and 6.8. They run for every timer of the host: the filter comes first. */
#ifndef TCPDWELL_TIMER_BPF_H
#define TCPDWELL_TIMER_BPF_H

static __always_inline void on_timer(void *ctx, const struct timer_list *timer, __u8 op, bool typed)
{
	__u64 fn = (__u64)timer->function;

	if (fn == tw_timer_fn) {
		const struct inet_timewait_sock *tw = (void *)timer -
						      bpf_core_field_offset(
							      struct inet_timewait_sock, tw_timer);

		if (typed)
			tw = TYPED(struct inet_timewait_sock, tw);
		emit_minisock(ctx, tw, op, typed);
	} else if (fn == reqsk_timer_fn) {
		const struct request_sock *req = (void *)timer -
						 bpf_core_field_offset(struct request_sock,
								       rsk_timer);

		if (typed)
			req = TYPED(struct request_sock, req);
		emit_request(ctx, req, op, typed);
	}
}

SEC("?tp_btf/timer_start")
int BPF_PROG(on_timer_start, struct timer_list *timer)
{
	on_timer(ctx, timer, TCPDWELL_START, true);
	return 0;
}

SEC("?tp_btf/timer_cancel")
int BPF_PROG(on_timer_cancel, struct timer_list *timer)
{
	on_timer(ctx, timer, TCPDWELL_CANCEL, true);
	return 0;
}

SEC("?tp_btf/timer_expire_entry")
int BPF_PROG(on_timer_expire, struct timer_list *timer)
{
	on_timer(ctx, timer, TCPDWELL_EXPIRE, true);
	return 0;
}

/* Before 6.2. */
SEC("?tp_btf/timer_start")
int BPF_PROG(on_timer_start_probed, struct timer_list *timer)
{
	on_timer(ctx, timer, TCPDWELL_START, false);
	return 0;
}

SEC("?tp_btf/timer_cancel")
int BPF_PROG(on_timer_cancel_probed, struct timer_list *timer)
{
	on_timer(ctx, timer, TCPDWELL_CANCEL, false);
	return 0;
}

SEC("?tp_btf/timer_expire_entry")
int BPF_PROG(on_timer_expire_probed, struct timer_list *timer)
{
	on_timer(ctx, timer, TCPDWELL_EXPIRE, false);
	return 0;
}

#endif
