/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Who holds a socket: a walk through the descriptors of all processes. */
#ifndef TCPDWELL_HOLDERS_BPF_H
#define TCPDWELL_HOLDERS_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, __u64);   /* cookie */
	__type(value, __u32); /* the pass that wants it */
} query_set SEC(".maps");

static __always_inline bool in_query_set(__u64 cookie)
{
	__u32 *pass = bpf_map_lookup_elem(&query_set, &cookie);

	return pass && *pass == query_pass;
}

/* Local ends whose connections' holders are wanted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 12);
	__type(key, struct tcpdwell_end);
	__type(value, struct tcpdwell_wanted_end);
} wanted_ends SEC(".maps");

/* A process may hold thousands of connections at an end: the first is enough. */
struct {
	__u32 pass, tgid, number;
} last_told = {};

static __always_inline struct tcpdwell_wanted_end *find_end(const struct tcpdwell_end *end)
{
	struct tcpdwell_wanted_end *found = bpf_map_lookup_elem(&wanted_ends, end);

	return found && found->pass == query_pass ? found : NULL;
}

/* Whom a connection of another process at this end tells something about: see user/lifecycle/acceptors.h */
static __always_inline void tell_end(struct seq_file *seq, const struct task_struct *task,
				     const struct sock *sk, struct tcpdwell_holding *out)
{
	struct tcpdwell_wanted_end *found;
	struct tcpdwell_flow flow = {};
	struct tcpdwell_end end = {};
	__u32 tgid = task->tgid;

	probe_flow(&flow, &sk->__sk_common);
	if (!flow.local_port)
		return;
	end.netns_cookie = flow.netns_cookie;
	end.port = flow.local_port;
	end.family = flow.family;
	__builtin_memcpy(end.local, flow.local, sizeof(end.local));
	found = find_end(&end);
	if (!found) {
		__builtin_memset(end.local, 0, sizeof(end.local));
		found = find_end(&end);
	}
	if (!found || (last_told.pass == query_pass && last_told.tgid == tgid &&
		       last_told.number == found->number))
		return;
	out->kind = TCPDWELL_HOLDS_AT_END;
	out->cookie = found->number;
	fill_task(&out->task, task);
	if (bpf_seq_write(seq, out, sizeof(*out)))
		return; /* no room: it comes again */
	last_told.pass = query_pass;
	last_told.tgid = tgid;
	last_told.number = found->number;
}

SEC("iter/task_file")
int holders(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct tcpdwell_holding out = {};
	const struct sock *sk;
	struct socket *socket;
	bool wants, listens;
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
	listens = BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_LISTEN;
	wants = out.cookie && (!query_pass || in_query_set(out.cookie));
	out.fd = ctx->fd;
	out.followed = follows && is_followed_task(task);
	if (wants) {
		fill_task(&out.task, task);
		bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	}
	if (query_pass && holders_ends && !listens)
		tell_end(ctx->meta->seq, task, sk, &out);
	return 0;
}

#endif
