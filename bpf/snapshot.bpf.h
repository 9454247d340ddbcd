/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The existing sockets: a walk through a network namespace that writes each socket to the ring.
 *
 * The order of the ring is the order of events. A full socket is read under its lock, as its
 * transitions are: whatever is in the ring before its record happened before. Minisocks and
 * requests have no lock. Their record is reserved first, and then their timer must still be
 * pending: the kernel reports expiry or cancellation before it unhashes them. */
#ifndef TCPDWELL_SNAPSHOT_BPF_H
#define TCPDWELL_SNAPSHOT_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "core_compat.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "mptcp.bpf.h"
#include "tcpdwell/wire.h"

static __always_inline bool wants_state(__u8 state)
{
	return snapshot_states >> state & 1;
}

/* 0 is the initial value of a stamp: unknown. */
static __always_inline __u32 jiffies_since(__u32 then)
{
	return then ? (__u32)bpf_jiffies64() - then : TCPDWELL_NEVER;
}

/* The metrics of a route are an array behind a pointer whose low bits are flags. */
#define ROUTE_METRICS_FLAGS 3UL

static __always_inline bool acks_at_once(const struct sock *sk)
{
	const struct dst_entry *route = BPF_CORE_READ(sk, sk_dst_cache);
	const __u32 *metrics;
	__u32 quickack = 0;

	if (!route)
		return false;
	metrics = (const __u32 *)(BPF_CORE_READ(route, _metrics) & ~ROUTE_METRICS_FLAGS);
	/* If the read fails, assume quickack: the ages are then less exact, but not wrong. */
	return bpf_probe_read_kernel(&quickack, sizeof(quickack), metrics + RTAX_QUICKACK - 1) ||
	       quickack;
}

static __always_inline void fill_stamps(struct tcpdwell_stamps *out, const struct tcp_sock *tp)
{
	__u64 delack = tp->inet_conn.icsk_delack_timer.expires;

	out->delivered_us = tp->delivered_mstamp;
	out->first_sent_us = tp->first_tx_mstamp;
	out->delack_ago = delack ? (__s64)(bpf_jiffies64() - delack) : TCPDWELL_NO_JIFFIES;
	out->retrans_stamp = tp->retrans_stamp;
	out->unacked = tp->write_seq - tp->snd_una;
	out->unsent = tp->write_seq - tp->snd_nxt;
	if (stamps_in_usec(tp))
		out->flags |= TCPDWELL_USEC_TS;
	if (acks_at_once((const struct sock *)tp))
		out->flags |= TCPDWELL_QUICKACK_ROUTE;
	if (BPF_CORE_READ_BITFIELD(tp, fastopen_connect))
		out->flags |= TCPDWELL_DEFERRED_SYN;
}

/* connect() skips a port that was bound explicitly, on any address, as long as any socket uses it.
 * The children of a listener use its port. */
static __always_inline bool is_bound(const struct inet_bind_bucket *bucket)
{
	return bucket &&
	       (BPF_CORE_READ(bucket, fastreuse) >= 0 || BPF_CORE_READ(bucket, fastreuseport) >= 0);
}

static __always_inline void snapshot_full(struct sock_common *skc, __u8 state)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(skc);
	struct tcpdwell_flow flow = {};
	struct tcpdwell_snapshot_full *record;
	struct tcpdwell_snapshot *out;
	const struct sock *sk;
	__u64 cookie;

	if (!tp || state == TCP_CLOSE)
		return;
	if (BPF_CORE_READ_BITFIELD(tp, is_mptcp))
		subflows_met++;
	if (!wants_state(state) && !is_subflow_of(tp, snapshot_states))
		return;
	sk = (const struct sock *)tp;
	probe_flow(&flow, skc);
	if (!flow_passes(&flow))
		return;
	cookie = bpf_get_socket_cookie(skc); /* makes one if needed; the minisock inherits it */
	record = reserve(sizeof(*record), TCPDWELL_SNAPSHOT, TCPDWELL_FULL);
	if (!record)
		return;
	out = &record->base;
	out->object = (__u64)tp;
	out->cookie = cookie;
	out->flow = flow;
	out->state = state;
	out->sock_cgroup_id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	out->acked_ago = jiffies_since(tp->rcv_tstamp);
	out->received_ago = jiffies_since(tp->inet_conn.icsk_ack.lrcvtime);
	out->sent_ago = jiffies_since(tp->lsndtime);
	if (BPF_CORE_READ(sk, __sk_common.skc_flags) & (1UL << SOCK_DEAD))
		out->flags |= TCPDWELL_IS_DEAD;
	if (BPF_CORE_READ(sk, sk_socket))
		out->flags |= TCPDWELL_IS_ATTACHED;
	if (BPF_CORE_READ_BITFIELD(tp, is_mptcp))
		out->flags |= TCPDWELL_IS_MPTCP;
	if (is_bound(BPF_CORE_READ(tp, inet_conn.icsk_bind_hash)))
		out->flags |= TCPDWELL_PORT_BOUND;
	out->flags |= TCPDWELL_STAMPS;
	fill_stamps(&record->stamps, tp);
	submit(record);
}

static __always_inline bool is_pending(const struct timer_list *timer)
{
	return BPF_CORE_READ(timer, entry.pprev);
}

static __always_inline void snapshot_minisock(struct sock_common *skc)
{
	const struct inet_timewait_sock *tw = (const void *)skc;
	const struct tcp_timewait_sock *ttw = (const void *)skc;
	struct tcpdwell_flow flow = {};
	struct tcpdwell_snapshot *out;
	__u8 state;

	state = BPF_CORE_READ(tw, tw_substate);
	probe_flow(&flow, skc);
	flow.local_port = bpf_ntohs(BPF_CORE_READ(tw, tw_sport));
	if (!wants_state(state) || !flow_passes(&flow))
		return;
	out = reserve(sizeof(*out), TCPDWELL_SNAPSHOT, TCPDWELL_MINISOCK);
	if (!out)
		return;
	if (!is_pending(&tw->tw_timer)) {
		bpf_ringbuf_discard(out, BPF_RB_NO_WAKEUP);
		return;
	}
	out->object = (__u64)tw;
	out->cookie = BPF_CORE_READ(tw, __tw_common.skc_cookie.counter);
	out->flow = flow;
	out->left_jiffies = (__s64)(BPF_CORE_READ(tw, tw_timer.expires) - bpf_jiffies64());
	out->entry_stamp_ms = probe_tw_entry_stamp(tw);
	out->state = BPF_CORE_READ(tw, tw_substate);
	if (BPF_CORE_READ(ttw, tw_ts_recent_stamp))
		out->flags |= TCPDWELL_TIMESTAMPS;
	if (is_bound(BPF_CORE_READ(tw, tw_tb)))
		out->flags |= TCPDWELL_PORT_BOUND;
	submit(out);
}

static __always_inline void snapshot_request(struct sock_common *skc)
{
	const struct tcp_request_sock *treq = (const void *)skc;
	const struct request_sock *req = (const void *)skc;
	struct tcpdwell_flow flow = {};
	struct tcpdwell_snapshot *out;

	probe_flow(&flow, skc);
	if (!wants_state(TCP_SYN_RECV) || !flow_passes(&flow))
		return;
	out = reserve(sizeof(*out), TCPDWELL_SNAPSHOT, TCPDWELL_REQUEST_SOCK);
	if (!out)
		return;
	if (!is_pending(&req->rsk_timer)) {
		bpf_ringbuf_discard(out, BPF_RB_NO_WAKEUP);
		return;
	}
	out->object = (__u64)req;
	out->cookie = BPF_CORE_READ(req, __req_common.skc_cookie.counter);
	out->flow = flow;
	out->state = TCP_SYN_RECV;
	out->syn_ns = BPF_CORE_READ(treq, snt_synack) * 1000;
	submit(out);
}

static __always_inline bool is_crowded(void)
{
	if (is_spilling(*(volatile __u64 *)&shared.phase))
		return bpf_ringbuf_query(&spilled, BPF_RB_AVAIL_DATA) > snapshot_limit_spilled;
	return bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > snapshot_limit;
}

SEC("iter/tcp")
int snapshot(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	__u8 state;

	if (!skc)
		return 0;
	if (is_crowded())
		return 1; /* repeats this socket once the reader has caught up */
	state = skc->skc_state;
	if (state == TCP_TIME_WAIT)
		snapshot_minisock(skc);
	else if (state == TCP_NEW_SYN_RECV)
		snapshot_request(skc);
	else
		snapshot_full(skc, state);
	return 0;
}

#endif
