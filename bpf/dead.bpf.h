/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Descriptors whose connection is over. Such a socket is in no hash table: only a walk through the
 * descriptors of all processes finds it. For `run`, also which process closes one: that close makes
 * no transition. */
#ifndef TCPDWELL_DEAD_BPF_H
#define TCPDWELL_DEAD_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "config.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "follow.bpf.h"
#include "mptcp.bpf.h"
#include "set_state.bpf.h"
#include "snapshot.bpf.h"
#include "task.bpf.h"
#include "tcpdwell/wire.h"

#define SHUTDOWN_BOTH 3

/* connect() starts with rcv_nxt 0; the SYN of the peer sets it. */
static __always_inline bool was_connected(const struct tcp_sock *tp)
{
	return tp->rcv_nxt || tp->copied_seq;
}

/* An unused socket has no tcp_mstamp. tcp_disconnect() (connect() to AF_UNSPEC, or a blocking
 * connect() that failed) clears the peer's port and the shutdown: the socket can connect again,
 * even if shutdown() was called since. */
static __always_inline bool is_over(const struct sock *sk, const struct tcp_sock *tp, bool *failed)
{
	if (sk->__sk_common.skc_state != TCP_CLOSE || !tp->tcp_mstamp)
		return false;
	*failed = !was_connected(tp);
	if (*failed)
		return true;
	return sk->sk_shutdown == SHUTDOWN_BOTH && sk->__sk_common.skc_dport;
}

static __always_inline __u32 unread_of(const struct sock *sk, const struct tcp_sock *tp)
{
	__u32 unread = tp->rcv_nxt - tp->copied_seq;

	return unread && sk->__sk_common.skc_flags & (1UL << SOCK_DONE) ? unread - 1 : unread;
}

/* Whether a segment or timer was the last to set tcp_mstamp. A read of leftover data sets it, too,
 * and then rcvq_space.time, unless that is younger than an eighth of the round trip or no round
 * trip was measured (tcp_rcv_space_adjust). */
static __always_inline bool is_active_exact(const struct sock *sk, const struct tcp_sock *tp)
{
	__u64 fin = sk->__sk_common.skc_flags & (1UL << SOCK_DONE) ? 1 : 0;
	__u32 rtt = tp->rcv_rtt_est.rtt_us;

	if (tp->bytes_received <= fin)
		return true; /* no data ever came */
	return rtt && tp->tcp_mstamp > tp->rcvq_space.time + (rtt >> 3);
}

SEC("iter/task_file")
int dead_descriptors(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tcpdwell_dead out = {};
	const struct tcp_sock *tp;
	struct socket *socket;
	const struct sock *sk;
	bool failed = false;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket || !socket->sk)
		return 0;
	tp = bpf_skc_to_tcp_sock(socket->sk);
	if (!tp)
		return dead_mptcp(ctx, task, socket->sk, &out);
	sk = (const struct sock *)tp;
	if (!is_over(sk, tp, &failed))
		return 0;
	probe_flow(&out.flow, &sk->__sk_common);
	if (!out.flow.local_port)
		out.flow.local_port = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
	if (!flow_passes(&out.flow))
		return 0;
	out.cookie = bpf_get_socket_cookie(socket->sk);
	out.at_ns = bpf_ktime_get_ns();
	out.active_ns = tp->tcp_mstamp * 1000;
	out.sock_cgroup_id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	out.fd = ctx->fd;
	out.received_ago = jiffies_since(tp->inet_conn.icsk_ack.lrcvtime);
	out.sent_ago = jiffies_since(tp->lsndtime);
	out.unread = unread_of(sk, tp);
	out.err = sk->sk_err;
	out.flags = (failed ? TCPDWELL_CONNECT_FAILED : 0) |
		    (is_active_exact(sk, tp) ? TCPDWELL_ACTIVE_EXACT : 0);
	out.followed = follows && is_followed_task(task);
	fill_task(&out.task, task);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

/* `run`: a process closes the last descriptor of a TCP socket, or a packet ends an orphan. The
 * current task means nothing for an orphan, but user space uses the record only for connections
 * that were over before. */
SEC("?tp_btf/tcp_destroy_sock")
int BPF_PROG(on_destroy, struct sock *sk)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcpdwell_release *out;
	bool followed;

	if (!tp)
		return 0;
	followed = is_followed_task(current);
	if (!followed && !bpf_sk_storage_get(&followed_sockets, sk, NULL, 0))
		return 0;
	out = reserve(sizeof(*out), TCPDWELL_RELEASE,
		      current->flags & PF_EXITING_ ? TCPDWELL_RELEASED_BY_EXIT : TCPDWELL_RELEASED);
	if (!out)
		return 0;
	out->cookie = cookie_of(sk, (const struct sock *)tp);
	fill_current_task(&out->task);
	out->active_ns = tp->tcp_mstamp * 1000;
	out->by_followed = followed;
	out->unread = unread_of((const struct sock *)tp, tp);
	submit(out);
	return 0;
}

#endif
