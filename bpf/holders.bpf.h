/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who holds a socket: a walk through the descriptors of all processes. */
#ifndef TCPDWELL_HOLDERS_BPF_H
#define TCPDWELL_HOLDERS_BPF_H

#define MAX_ACCEPT_QUEUE 65535 /* somaxconn was a u16 for long */
#define MAX_UNROLLED_QUEUE 128

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, __u64);   /* cookie */
	__type(value, __u32); /* the pass that wants it */
} wanted SEC(".maps");

static __always_inline bool is_wanted(__u64 cookie)
{
	__u32 *pass = bpf_map_lookup_elem(&wanted, &cookie);

	return pass && *pass == holders_pass;
}

struct queue_walk {
	struct seq_file *seq;
	const struct request_sock *req;
	struct tcpdwell_holding *out;
};

/* One connection that waits to be accepted; 1: it was the last. */
static long holder_of_queued(__u32 index, struct queue_walk *walk)
{
	const struct request_sock *req = walk->req;
	const struct sock *child = BPF_CORE_READ(req, sk);

	walk->out->cookie = BPF_CORE_READ(child, __sk_common.skc_cookie.counter);
	if (walk->out->cookie && !BPF_CORE_READ(child, sk_socket) && is_wanted(walk->out->cookie))
		bpf_seq_write(walk->seq, walk->out, sizeof(*walk->out));
	walk->req = BPF_CORE_READ(req, dl_next);
	return !walk->req;
}

/* The queue is read without its lock: an entry may be gone while it is looked at, but then its
 * socket is held by whoever accepted it. bpf_loop() came with 5.17; before, only the head of a long
 * queue is seen. */
static __always_inline void holders_of_queue(struct queue_walk *walk)
{
	walk->out->of_listener = 1;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(MAX_ACCEPT_QUEUE, holder_of_queued, walk, 0);
		return;
	}
	for (__u32 i = 0; i < MAX_UNROLLED_QUEUE; i++)
		if (holder_of_queued(i, walk))
			break;
}

SEC("iter/task_file")
int holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tcpdwell_holding out = {};
	const struct sock *sk;
	struct queue_walk walk = {};
	struct socket *socket;
	bool listens, wants;
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
	sk = stands_for(sk);
	if (!sk)
		return 0;
	out.cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	listens = holders_pass && BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN;
	wants = out.cookie && (!holders_pass || is_wanted(out.cookie));
	if (!listens && !wants)
		return 0;
	out.fd = ctx->fd;
	fill_task(&out.task, task);
	if (wants)
		bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	walk.req = BPF_CORE_READ((const struct inet_connection_sock *)sk,
				 icsk_accept_queue.rskq_accept_head);
	if (listens && walk.req) {
		walk.seq = ctx->meta->seq;
		walk.out = &out;
		holders_of_queue(&walk);
	}
	return 0;
}

#endif
