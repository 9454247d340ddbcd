/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Minisocks (inet_timewait_sock): TIME_WAIT, and the FIN_WAIT_2 that nobody holds any more. Their
 * begin and end show in their timer, their FIN in the segment that is dropped after it was used. */
#ifndef TCPDWELL_MINISOCK_BPF_H
#define TCPDWELL_MINISOCK_BPF_H

static __always_inline __s64 jiffies_left(const struct inet_timewait_sock *tw)
{
	return (__s64)(READ(tw, tw_timer.expires) - bpf_jiffies64());
}

static __always_inline void emit_minisock(void *ctx, const struct inet_timewait_sock *tw, __u8 op)
{
	struct tcpdwell_flow flow = {};
	struct tcpdwell_timewait *out;
	__s64 left;

	LOAD_FLOW(&flow, &tw->__tw_common);
	/* tw_sport outlives skc_num, as inet_sport does. */
	flow.local_port = bpf_ntohs(READ(tw, tw_sport));
	if (!flow_passes(&flow))
		return;
	out = reserve(sizeof(*out), TCPDWELL_TIMEWAIT, op);
	if (!out)
		return;
	left = jiffies_left(tw);
	out->object = (__u64)tw;
	out->cookie = READ(tw, __tw_common.skc_cookie.counter);
	out->flow = flow;
	out->left_jiffies = left;
	out->entry_stamp_ms = tw_entry_stamp(tw);
	out->substate = READ(tw, tw_substate);
	/* Overdue: nearly always the natural end, which a stack for each would make dear. */
	if (op == TCPDWELL_CANCEL && left > 0)
		out->canceller = canceller_on_stack(ctx);
	submit(out);
}

/* A segment came to a minisock that is in TIME_WAIT, now or since before: the first such was the
 * FIN. That the timer has just begun anew is no condition: where a virtual CPU was kept waiting, the
 * jiffies of the FIN and those of now are far apart. */
static __always_inline void on_minisock_segment(void *ctx, const struct inet_timewait_sock *tw)
{
	if (READ(tw, tw_substate) == TCP_TIME_WAIT)
		emit_minisock(ctx, tw, TCPDWELL_SEGMENT);
}

/* From 6.11 the drop of a segment names its socket. A minisock's is "dropped" after it was used. */
SEC("?tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb, struct sk_buff *skb, void *location, enum skb_drop_reason reason,
	     struct sock *rx_sk)
{
	if (rx_sk && rx_sk->__sk_common.skc_state == TCP_TIME_WAIT)
		on_minisock_segment(ctx, TYPED(struct inet_timewait_sock, rx_sk));
	return 0;
}

/* The same where functions can be traced. Its other arguments differ between kernels. */
SEC("?fexit/tcp_timewait_state_process")
int BPF_PROG(on_timewait_segment, struct inet_timewait_sock *tw)
{
	on_minisock_segment(ctx, tw);
	return 0;
}

#endif
