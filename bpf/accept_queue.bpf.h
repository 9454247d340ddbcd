/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Connections that wait to be accepted: a walk through the listeners of a network namespace.
 *
 * A child in an accept queue has no descriptor, and a child that was reset is in no hash table:
 * only the queue leads to it. The iterator holds the listener's lock, so accept() cannot remove
 * entries meanwhile; new children are linked behind the last entry. iter/tcp visits listeners
 * first, so the walk ends at the first other socket. */
#ifndef TCPDWELL_ACCEPT_QUEUE_BPF_H
#define TCPDWELL_ACCEPT_QUEUE_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "tcpdwell/wire.h"

#define MAX_ACCEPT_QUEUE 65535 /* somaxconn was a u16 for long */
#define MAX_UNROLLED_QUEUE 128

/* A map, because the buffer of an iterator takes at most 32 KiB of one socket. */
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

/* Gives the child a cookie, by which user space finds its connection. Safe since 5.15: the queue
 * references the child, and the listener is locked. */
static __always_inline __u64 cookie_of_child(const struct sock *child)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop))
		return bpf_get_socket_cookie((void *)child);
	return BPF_CORE_READ(child, __sk_common.skc_cookie.counter);
}

/* tcp_init_buffer_space() sets the stamp when the child becomes a full socket and is queued. Only a
 * read renews it. */
static __always_inline __u64 queued_us(const struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->rcvq_space.time) ? BPF_CORE_READ(tp, rcvq_space.time) : 0;
}

static __always_inline void fill_flow_of_child(struct tcpdwell_flow *flow, const struct sock *child)
{
	const struct inet_sock *inet = (const void *)child;

	probe_flow(flow, &child->__sk_common);
	if (!flow->local_port) /* cleared by the reset */
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

/* Returns 1 at the last entry. */
static long note_queued(__u32 index, struct queue_walk *walk)
{
	const struct request_sock *req = walk->req;
	const void *owner = req->__req_common.skc_listener;
	const struct sock *child = req->sk;
	struct tcpdwell_queued out = {.listener = walk->listener};
	__u64 cookie;

	/* Before 5.15 the listener is not locked here: the request may be freed and reused by
	 * another listener, and the rest of the list is then not our queue. A request from a SYN
	 * cookie has no listener. */
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

/* bpf_loop() exists since 5.17. Without it, only the first entries of a long queue are read. */
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
		if (skc->skc_state == TCP_CLOSE) /* a listener, just closed */
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
	if (!queue_lengths_only)
		note_queue(&walk);
	sk = (const struct sock *)tp;
	out.length = BPF_CORE_READ(sk, sk_ack_backlog);
	out.backlog = BPF_CORE_READ(sk, sk_max_ack_backlog);
	if (!walk.noted && !walk.missed && out.length <= out.backlog)
		return 0;
	out.cookie = walk.listener;
	out.syns_dropped = BPF_CORE_READ(sk, sk_drops.counter);
	out.only_ipv6 = BPF_CORE_READ_BITFIELD_PROBED(skc, skc_ipv6only);
	out.ipv6 = BPF_CORE_READ(skc, skc_family) == AF_INET6_;
	out.noted = walk.noted;
	out.missed = walk.missed;
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

#endif
