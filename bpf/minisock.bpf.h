/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Minisocks (inet_timewait_sock): TIME_WAIT, and FIN_WAIT_2 of orphans. The timer shows their begin
 * and end. The FIN of an orphan shows as a segment that the kernel drops after it used it. */
#ifndef TCPDWELL_MINISOCK_BPF_H
#define TCPDWELL_MINISOCK_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "core_compat.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "stack.bpf.h"
#include "tcpdwell/wire.h"

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
	/* tw_sport keeps the port after skc_num is cleared. */
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
	/* Already due: a natural expiry, not worth a stack walk. */
	if (op == TCPDWELL_CANCEL && left > 0)
		out->canceller = canceller_on_stack(ctx);
	submit(out);
}

/* A segment came to a minisock that is in TIME_WAIT by now: the first such segment was the FIN. Do
 * not require a timer that just restarted: on a virtual CPU that was descheduled, the jiffies of
 * the FIN and of now are far apart. */
static __always_inline void on_minisock_segment(void *ctx, const struct inet_timewait_sock *tw)
{
	if (READ(tw, tw_substate) == TCP_TIME_WAIT)
		emit_minisock(ctx, tw, TCPDWELL_SEGMENT);
}

/* Since 6.11 kfree_skb has the socket. A segment for a minisock is "dropped" after its use. */
SEC("?tp_btf/kfree_skb")
int BPF_PROG(on_kfree_skb, struct sk_buff *skb, void *location, enum skb_drop_reason reason,
	     struct sock *rx_sk)
{
	if (rx_sk && rx_sk->__sk_common.skc_state == TCP_TIME_WAIT)
		on_minisock_segment(ctx, TYPED(struct inet_timewait_sock, rx_sk));
	return 0;
}

/* The same, if the kernel can trace functions. The other arguments differ between kernels. */
SEC("?fexit/tcp_timewait_state_process")
int BPF_PROG(on_timewait_segment, struct inet_timewait_sock *tw)
{
	on_minisock_segment(ctx, tw);
	return 0;
}

#endif
