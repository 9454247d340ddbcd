/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* MPTCP. The application holds an MPTCP socket; its TCP sockets (subflows) belong to the kernel.
 * A close sends a DATA_FIN, and the subflow stays ESTABLISHED: only the MPTCP socket shows what
 * is stuck, and why. It has no connection of its own: its first subflow represents it, or the
 * first open one.
 *
 * The MPTCP socket is read without its lock: values that may have changed meanwhile are reported
 * as unknown. */
#ifndef TCPDWELL_MPTCP_BPF_H
#define TCPDWELL_MPTCP_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "follow.bpf.h"
#include "task.bpf.h"
#include "tcpdwell/wire.h"

#define MAX_SUBFLOWS 8 /* MPTCP_PM_ADDR_MAX */
#define STATES_BEFORE_ESTABLISHED \
	(1 << TCP_LISTEN | 1 << TCP_CLOSE | 1 << TCP_SYN_SENT | 1 << TCP_SYN_RECV)

/* Until 6.14 data from subflows moved to a queue of the MPTCP socket. */
struct mptcp_sock___own_queue {
	struct sk_buff_head receive_queue;
} __attribute__((preserve_access_index));

/* Since 6.19 a backlog lies between the subflows and the queue. */
struct mptcp_sock___backlog {
	struct list_head backlog_list;
} __attribute__((preserve_access_index));

/* Number of subflows that the snapshot visited. */
__u32 subflows_met = 0;

/* The MPTCP socket of the subflow `tp`, whose is_mptcp is set. */
static __always_inline const struct mptcp_sock *mptcp_of(const struct tcp_sock *tp)
{
	const struct mptcp_subflow_context *context;

	if (!bpf_core_type_exists(struct mptcp_sock))
		return NULL;
	context = BPF_CORE_READ(tp, inet_conn.icsk_ulp_data);
	return (const void *)BPF_CORE_READ(context, conn);
}

static __always_inline __u8 state_of(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_state);
}

/* `ip mptcp endpoint add ... signal` makes the kernel listen: the caller does not own that
 * socket. */
static __always_inline bool is_of_kernel(const struct tcp_sock *tp)
{
	const struct sock *sk = (const void *)mptcp_of(tp);

	return sk && BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);
}

static __always_inline bool is_subflow_of(const struct tcp_sock *tp, __u32 states)
{
	const struct sock *sk;

	if (!BPF_CORE_READ_BITFIELD(tp, is_mptcp))
		return false;
	sk = (const void *)mptcp_of(tp);
	return sk && states >> state_of(sk) & 1;
}

struct subflows {
	__u64 first_open; /* its address */
	__u32 count;	  /* of open subflows */
	__u32 unacked;
	__u32 now, acked_ago, received_ago, sent_ago;
	__u32 unread; /* a subflow has bytes that are not in the MPTCP queue yet */
};

static __always_inline void keep_latest(const struct subflows *all, __u32 *ago, __u32 stamp)
{
	if (stamp && all->now - stamp < *ago)
		*ago = all->now - stamp;
}

/* `address`: a TCP socket. The verifier checks a global function once, not for each subflow. */
__noinline int read_subflow(struct subflows *all, __u64 address)
{
	const struct tcp_sock *tp = (const void *)address;
	const struct sock *sk = (const void *)address;
	__u8 state = state_of(sk);
	__u32 fin, queue;

	if (!all || state == TCP_CLOSE)
		return 0;
	if (!all->first_open)
		all->first_open = address;
	all->count++;
	fin = BPF_CORE_READ(sk, __sk_common.skc_flags) >> SOCK_DONE & 1;
	queue = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);
	all->unread |= queue > fin;
	fin = state == TCP_FIN_WAIT1 || state == TCP_LAST_ACK || state == TCP_CLOSING;
	queue = BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_una);
	all->unacked += queue && fin ? queue - 1 : queue;
	keep_latest(all, &all->acked_ago, BPF_CORE_READ(tp, rcv_tstamp));
	keep_latest(all, &all->received_ago, BPF_CORE_READ(tp, inet_conn.icsk_ack.lrcvtime));
	keep_latest(all, &all->sent_ago, BPF_CORE_READ(tp, lsndtime));
	return 0;
}

static __always_inline void read_subflows(struct subflows *all, const struct mptcp_sock *msk)
{
	const struct list_head *end = (const void *)&msk->conn_list;
	const struct list_head *node = BPF_CORE_READ(msk, conn_list.next);
	const struct sock *first = BPF_CORE_READ(msk, first);

	all->now = bpf_jiffies64();
	all->acked_ago = all->received_ago = all->sent_ago = TCPDWELL_NEVER;
	for (__u32 i = 0; i < MAX_SUBFLOWS; i++) {
		const struct mptcp_subflow_context *context = (const void *)node;
		const struct sock *sk;

		if (!node || node == end)
			break;
		context = (const void *)node - bpf_core_field_offset(context->node);
		sk = BPF_CORE_READ(context, tcp_sock);
		if (sk)
			read_subflow(all, (__u64)sk);
		node = BPF_CORE_READ(context, node.next);
	}
	if (first && state_of(first) != TCP_CLOSE)
		all->first_open = (__u64)first;
}

/* The first unread buffer; NULL: none. */
static __always_inline const struct sk_buff *first_unread(const struct mptcp_sock *msk)
{
	const struct mptcp_sock___own_queue *old = (const void *)msk;
	const struct sock *sk = (const void *)msk;
	const struct sk_buff *skb;

	if (bpf_core_field_exists(old->receive_queue)) {
		skb = BPF_CORE_READ(old, receive_queue.next);
		if ((const void *)skb != (const void *)&old->receive_queue)
			return skb;
	}
	skb = BPF_CORE_READ(sk, sk_receive_queue.next);
	return (const void *)skb == (const void *)&sk->sk_receive_queue ? NULL : skb;
}

static __always_inline bool has_backlog(const struct mptcp_sock *msk)
{
	const struct mptcp_sock___backlog *new = (const void *)msk;

	return bpf_core_field_exists(new->backlog_list) &&
	       (const void *)BPF_CORE_READ(new, backlog_list.next) !=
		       (const void *)&new->backlog_list;
}

/* A DATA_FIN takes a sequence number, like a FIN. */
static __always_inline __u64 without_fin(__u64 queue, bool fin)
{
	return queue && fin ? queue - 1 : queue;
}

/* A reader advances the mapping of the first buffer. Data outside the MPTCP queue is not counted,
 * only flagged: two subflows may hold the same bytes. */
static __always_inline void fill_unread(struct tcpdwell_mptcp *out, const struct mptcp_sock *msk,
					const struct subflows *all)
{
	bool fin = 1 << out->state & (1 << TCP_CLOSE_WAIT | 1 << TCP_LAST_ACK | 1 << TCP_CLOSING);
	__u64 received = BPF_CORE_READ(msk, ack_seq);
	const struct sk_buff *skb = first_unread(msk);
	const struct mptcp_skb_cb *mapping = (const void *)&skb->cb;

	if (skb && bpf_core_type_exists(struct mptcp_skb_cb))
		out->unread = without_fin(received - BPF_CORE_READ(mapping, map_seq), fin);
	if (skb)
		out->flags |= TCPDWELL_MPTCP_UNREAD;
	if (all->unread || has_backlog(msk))
		out->flags |= TCPDWELL_MPTCP_UNREAD | TCPDWELL_MPTCP_UNCOUNTED;
	if (!bpf_core_type_exists(struct mptcp_skb_cb) || first_unread(msk) != skb ||
	    BPF_CORE_READ(msk, ack_seq) != received)
		out->flags |= TCPDWELL_MPTCP_UNCOUNTED;
}

/* The TCP socket that represents `sk`, which an application holds; NULL: neither TCP nor MPTCP. */
static __always_inline const struct sock *stands_for(const struct sock *sk)
{
	__u16 protocol = BPF_CORE_READ(sk, sk_protocol);
	struct subflows all = {};

	if (protocol == IPPROTO_TCP)
		return sk;
	if (protocol != IPPROTO_MPTCP || !bpf_core_type_exists(struct mptcp_sock))
		return NULL;
	read_subflows(&all, (const struct mptcp_sock *)sk);
	return (const void *)all.first_open;
}

/* After a fallback to TCP there are no acknowledgements at the MPTCP level: unacknowledged data is
 * in the queue of the subflow. Several subflows can hold the same data twice, but exclude a
 * fallback. */
static __always_inline __u64 unsent_of(const struct mptcp_sock *msk, const struct subflows *all)
{
	__u64 written = BPF_CORE_READ(msk, write_seq);
	bool fin = BPF_CORE_READ(msk, snd_data_fin_enable);
	__u64 unsent = without_fin(written - BPF_CORE_READ(msk, snd_una), fin);
	__u64 in_both = without_fin(written - BPF_CORE_READ(msk, snd_nxt), fin) + all->unacked;

	return all->count == 1 && in_both > unsent ? in_both : unsent;
}

/* Fills `out`, whose object is set. The verifier checks a global function once. */
__noinline int fill_mptcp(struct tcpdwell_mptcp *out)
{
	const struct mptcp_sock *msk;
	const struct sock *subflow;
	struct subflows all = {};
	const struct sock *sk;

	if (!out || !bpf_core_type_exists(struct mptcp_sock))
		return 0;
	msk = (const void *)out->object;
	sk = (const void *)out->object;
	read_subflows(&all, msk);
	subflow = all.first_open ? (const void *)all.first_open : BPF_CORE_READ(msk, first);
	out->subflow = (__u64)subflow;
	if (subflow)
		out->cookie = BPF_CORE_READ(subflow, __sk_common.skc_cookie.counter);
	out->state = state_of(sk);
	out->shutdown = BPF_CORE_READ(sk, sk_shutdown);
	if (BPF_CORE_READ(sk, __sk_common.skc_flags) & (1UL << SOCK_DEAD))
		out->flags |= TCPDWELL_MPTCP_IS_DEAD;
	if (BPF_CORE_READ(sk, sk_socket))
		out->flags |= TCPDWELL_MPTCP_IS_ATTACHED;
	out->subflows = all.count;
	out->acked_ago = all.acked_ago;
	out->received_ago = all.received_ago;
	out->sent_ago = all.sent_ago;
	fill_unread(out, msk, &all);
	out->unsent = unsent_of(msk, &all);
	return 0;
}

static __always_inline bool mptcp_passes(const struct tcpdwell_mptcp *mptcp)
{
	const struct sock *sk = (const void *)mptcp->subflow;
	struct tcpdwell_flow flow = {};

	if (!filters || !sk)
		return true;
	probe_flow(&flow, &sk->__sk_common);
	return flow_passes(&flow);
}

/* Leaves out the handshake and listeners. */
static __always_inline bool is_mptcp_change(const struct sock *sk, int from)
{
	return !(STATES_BEFORE_ESTABLISHED >> from & 1) &&
	       BPF_CORE_READ(sk, sk_protocol) == IPPROTO_MPTCP;
}

static __always_inline void emit_mptcp_change(const struct sock *sk, int from, int to)
{
	struct tcpdwell_mptcp_change *out = reserve(sizeof(*out), TCPDWELL_MPTCP_CHANGE, 0);

	if (!out)
		return;
	out->mptcp.object = (__u64)sk;
	fill_mptcp(&out->mptcp);
	out->mptcp.state = from;
	out->to = to;
	if (bpf_get_current_task_btf()->flags & PF_EXITING_)
		out->mptcp.flags |= TCPDWELL_MPTCP_EXITING;
	if (mptcp_passes(&out->mptcp))
		submit(out);
	else
		bpf_ringbuf_discard(out, BPF_RB_NO_WAKEUP);
}

/* Since 6.10, and 6.4. */
struct mptcp_sock___times {
	__u32 last_data_sent, last_data_recv;
} __attribute__((preserve_access_index));
struct mptcp_sock___ids {
	__u32 subflow_id; /* of the next one; the first has 1 */
} __attribute__((preserve_access_index));

/* The end of the only subflow was the end of the MPTCP socket. With several subflows, or if it is
 * gone, the end may have been later. */
static __always_inline void date_dead(struct tcpdwell_dead *out, const struct mptcp_sock *msk,
				      const struct tcp_sock *first)
{
	const struct mptcp_sock___times *times = (const void *)msk;
	const struct mptcp_sock___ids *ids = (const void *)msk;

	out->at_ns = out->active_ns = bpf_ktime_get_ns();
	out->received_ago = out->sent_ago = TCPDWELL_NEVER;
	if (bpf_core_field_exists(times->last_data_recv)) {
		__u32 now = bpf_jiffies64();

		out->received_ago = now - BPF_CORE_READ(times, last_data_recv);
		out->sent_ago = now - BPF_CORE_READ(times, last_data_sent);
	}
	if (first && bpf_core_field_exists(ids->subflow_id) &&
	    BPF_CORE_READ(ids, subflow_id) == 2) {
		out->active_ns = BPF_CORE_READ(first, tcp_mstamp) * 1000;
		out->flags |= TCPDWELL_ACTIVE_EXACT;
	}
}

/* Part of dead_descriptors(): an MPTCP socket that was reset, or closed by both ends. */
static __always_inline int dead_mptcp(struct bpf_iter__task_file *ctx, struct task_struct *task,
				      const struct sock *sk, struct tcpdwell_dead *out)
{
	const struct mptcp_sock *msk = (const void *)sk;
	struct tcpdwell_mptcp mptcp = {};
	const struct tcp_sock *first;

	if (!bpf_core_type_exists(struct mptcp_sock) ||
	    BPF_CORE_READ(sk, sk_protocol) != IPPROTO_MPTCP || state_of(sk) != TCP_CLOSE ||
	    BPF_CORE_READ(sk, sk_shutdown) != 3 || !BPF_CORE_READ(sk, __sk_common.skc_dport))
		return 0;
	probe_flow(&out->flow, &sk->__sk_common);
	if (!flow_passes(&out->flow))
		return 0;
	mptcp.object = (__u64)sk;
	fill_mptcp(&mptcp);
	first = (const void *)BPF_CORE_READ(msk, first);
	if (first)
		out->cookie = BPF_CORE_READ((const struct sock *)first,
					    __sk_common.skc_cookie.counter);
	if (!out->cookie)
		out->cookie = (__u64)sk;
	out->flags = TCPDWELL_DEAD_MPTCP;
	date_dead(out, msk, first);
	out->sock_cgroup_id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	out->fd = ctx->fd;
	out->unread = mptcp.unread;
	if (mptcp.flags & TCPDWELL_MPTCP_UNREAD && mptcp.flags & TCPDWELL_MPTCP_UNCOUNTED)
		out->flags |= TCPDWELL_DEAD_UNCOUNTED;
	out->err = BPF_CORE_READ(sk, sk_err);
	out->followed = follows && is_followed_task(task);
	fill_task(&out->task, task);
	bpf_seq_write(ctx->meta->seq, out, sizeof(*out));
	return 0;
}

/* Each subflow in a network namespace and its MPTCP socket, unless both are ESTABLISHED. */
SEC("iter/tcp")
int mptcp_sockets(struct bpf_iter__tcp *ctx)
{
	struct tcpdwell_mptcp_subflow out = {};
	struct sock_common *skc = ctx->sk_common;
	const struct mptcp_sock *msk;
	struct tcp_sock *tp;

	if (!skc || skc->skc_state == TCP_TIME_WAIT || skc->skc_state == TCP_NEW_SYN_RECV ||
	    skc->skc_state == TCP_LISTEN)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp || !BPF_CORE_READ_BITFIELD(tp, is_mptcp))
		return 0;
	msk = mptcp_of(tp);
	if (!msk || (skc->skc_state == TCP_ESTABLISHED &&
		     state_of((const struct sock *)msk) == TCP_ESTABLISHED))
		return 0;
	out.at_ns = bpf_ktime_get_ns();
	out.cookie = bpf_get_socket_cookie(skc);
	out.mptcp.object = (__u64)msk;
	fill_mptcp(&out.mptcp);
	out.stands = out.mptcp.subflow == (__u64)tp;
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

#endif
