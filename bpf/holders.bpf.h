/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who holds a socket: a walk through the descriptors of all processes. */
#ifndef TCPDWELL_HOLDERS_BPF_H
#define TCPDWELL_HOLDERS_BPF_H

#define MAX_ACCEPT_QUEUE 4096

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, __u64); /* cookie */
	__type(value, __u32); /* the pass that wants it */
} wanted SEC(".maps");

static __always_inline bool is_wanted(__u64 cookie)
{
	__u32 *pass = bpf_map_lookup_elem(&wanted, &cookie);

	return pass && *pass == holders_pass;
}

static __always_inline void fill_holding(struct tcpdwell_holding *out,
					 const struct task_struct *task)
{
	out->task.cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	out->task.pid = visible_pid(task);
	out->task.uid = BPF_CORE_READ(task, cred, uid.val);
	BPF_CORE_READ_INTO(&out->task.comm, task, group_leader, comm);
}

/* The connections that wait to be accepted. The queue is read without its lock: an entry may be gone
 * while it is looked at, but then its socket is held by whoever accepted it. */
static __always_inline void holders_of_queue(struct bpf_iter__task_file *ctx,
					     const struct sock *listener)
{
	const struct inet_connection_sock *icsk = (const void *)listener;
	const struct request_sock *req;
	struct tcpdwell_holding out = {.of_listener = 1, .fd = ctx->fd};

	req = BPF_CORE_READ(icsk, icsk_accept_queue.rskq_accept_head);
	if (!req)
		return;
	fill_holding(&out, ctx->task);
	for (__u32 i = 0; i < MAX_ACCEPT_QUEUE && req; i++) {
		const struct sock *child = BPF_CORE_READ(req, sk);

		out.cookie = BPF_CORE_READ(child, __sk_common.skc_cookie.counter);
		if (out.cookie && !BPF_CORE_READ(child, sk_socket) && is_wanted(out.cookie))
			bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
		req = BPF_CORE_READ(req, dl_next);
	}
}

SEC("iter/task_file")
int holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tcpdwell_holding out = {};
	const struct sock *sk;
	struct socket *socket;
	__u16 family;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (family != AF_INET_ && family != AF_INET6_)
		return 0;
	sk = tcp_of(sk);
	if (!sk)
		return 0;
	out.cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	if (out.cookie && (!holders_pass || is_wanted(out.cookie))) {
		out.fd = ctx->fd;
		fill_holding(&out, task);
		bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	}
	if (holders_pass && BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN)
		holders_of_queue(ctx, sk);
	return 0;
}

#endif
