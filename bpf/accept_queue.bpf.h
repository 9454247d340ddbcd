/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Connections that wait to be accepted: a walk through the listeners of a network namespace.
 *
 * A child in an accept queue has no descriptor, and one that was reset there is in no hash table: the
 * queue alone leads to it. The walk holds the listener's lock, so accept() takes nothing out of the
 * queue meanwhile; what arrives is linked behind its last entry. iter/tcp walks through listeners
 * first, so the walk is over at the first other socket. */
#ifndef TCPDWELL_ACCEPT_QUEUE_BPF_H
#define TCPDWELL_ACCEPT_QUEUE_BPF_H

#define MAX_ACCEPT_QUEUE 65535 /* somaxconn was a u16 for long */
#define MAX_UNROLLED_QUEUE 128

/* What a queue holds does not fit the buffer of an iterator, which takes 32 KiB of one socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 16);
	__type(key, __u64); /* cookie */
	__type(value, struct tcpdwell_queued);
} queued SEC(".maps");

struct queue_walk {
	const struct request_sock *req;
	const void *listener_at;
	__u64 listener; /* its cookie */
	__u32 noted, missed;
};

/* The table of connections knows them by their cookies, so each gets one. The child is referenced by
 * the queue, and the queue is locked since 5.15. */
static __always_inline __u64 cookie_of_child(const struct sock *child)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop))
		return bpf_get_socket_cookie((void *)child);
	return BPF_CORE_READ(child, __sk_common.skc_cookie.counter);
}

/* The stamp is from when the child became a full socket, which is when it was queued, and nothing
 * renews it before somebody reads. */
static __always_inline __u64 queued_us(const struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->rcvq_space.time) ? BPF_CORE_READ(tp, rcvq_space.time) : 0;
}

static __always_inline void fill_flow_of_child(struct tcpdwell_flow *flow, const struct sock *child)
{
	const struct inet_sock *inet = (const void *)child;

	probe_flow(flow, &child->__sk_common);
	if (!flow->local_port) /* taken back when it was reset */
		flow->local_port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));
}

static __always_inline void fill_queued(struct tcpdwell_queued *out, const struct sock *child)
{
	const struct tcp_sock *tp = (const void *)child;

	out->sock_cgroup_id = BPF_CORE_READ(child, sk_cgrp_data.cgroup, kn, id);
	out->receive_queue = BPF_CORE_READ(tp, rcv_nxt) - BPF_CORE_READ(tp, copied_seq);
	out->send_queue = BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_una);
	out->state = BPF_CORE_READ(child, __sk_common.skc_state);
}

/* 1: it was the last. */
static long note_queued(__u32 index, struct queue_walk *walk)
{
	const struct request_sock *req = walk->req;
	const void *owner = req->__req_common.skc_listener;
	const struct sock *child = req->sk;
	struct tcpdwell_queued out = {.listener = walk->listener};
	__u64 cookie;

	/* Freed under our hands (before 5.15 the listener is not locked here), and used again by another
	 * listener: from here on this is not our queue. A request that came of a SYN cookie names none. */
	if (owner && owner != walk->listener_at) {
		walk->missed++;
		return 1;
	}
	walk->req = req->dl_next;
	out.queued_us = queued_us((const void *)child);
	fill_flow_of_child(&out.flow, child);
	if (!flow_passes(&out.flow))
		return !walk->req;
	if (out.queued_us > queue_cutoff_us) {
		queue_young++;
		if (!queue_next_us || out.queued_us < queue_next_us)
			queue_next_us = out.queued_us;
		return !walk->req;
	}
	fill_queued(&out, child);
	cookie = cookie_of_child(child);
	if (!cookie || bpf_map_update_elem(&queued, &cookie, &out, BPF_ANY))
		walk->missed++;
	else
		walk->noted++;
	return !walk->req;
}

/* bpf_loop() came with 5.17; before, only the head of a long queue is seen. */
static __always_inline void note_queue(struct queue_walk *walk)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(MAX_ACCEPT_QUEUE, note_queued, walk, 0);
		return;
	}
	for (__u32 i = 0; i < MAX_UNROLLED_QUEUE; i++)
		if (note_queued(i, walk))
			return;
	walk->missed++;
}

SEC("iter/tcp")
int accept_queues(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcpdwell_listener out = {};
	struct queue_walk walk = {};
	struct tcp_sock *tp;
	const struct sock *sk;

	if (!skc)
		return 0;
	if (skc->skc_state != TCP_LISTEN) {
		if (skc->skc_state == TCP_CLOSE) /* a listener that was just closed */
			return 0;
		queues_over = 1;
		return 1;
	}
	queue_listeners++;
	tp = bpf_skc_to_tcp_sock(skc);
	if (!tp)
		return 0;
	walk.req = tp->inet_conn.icsk_accept_queue.rskq_accept_head;
	probe_flow(&out.flow, skc);
	if (!walk.req || !flow_passes(&out.flow))
		return 0;
	walk.listener = bpf_get_socket_cookie(skc);
	walk.listener_at = tp;
	note_queue(&walk);
	if (!walk.noted && !walk.missed)
		return 0;
	sk = (const struct sock *)tp;
	out.cookie = walk.listener;
	out.length = BPF_CORE_READ(sk, sk_ack_backlog);
	out.backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
	out.syns_dropped = BPF_CORE_READ(sk, sk_drops.counter);
	out.only_ipv6 = BPF_CORE_READ_BITFIELD_PROBED(skc, skc_ipv6only);
	out.ipv6 = BPF_CORE_READ(skc, skc_family) == AF_INET6_;
	out.noted = walk.noted;
	out.missed = walk.missed;
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

#endif
