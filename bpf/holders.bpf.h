/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Finds the processes that hold a socket: a walk through the descriptors of all processes. */
#ifndef TCPDWELL_HOLDERS_BPF_H
#define TCPDWELL_HOLDERS_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "flow.bpf.h"
#include "follow.bpf.h"
#include "mptcp.bpf.h"
#include "task.bpf.h"
#include "tcpdwell/wire.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, TCPDWELL_MOST_WANTED); /* 16 bytes each, also while unused */
	__type(key, __u64);			   /* cookie */
	__type(value, __u32);			   /* the pass that asks for it */
} query_set SEC(".maps");

static __always_inline bool in_query_set(__u64 cookie)
{
	__u32 *pass = bpf_map_lookup_elem(&query_set, &cookie);

	return pass && *pass == query_pass;
}

/* Local ends: report the processes that hold connections there. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 12);
	__type(key, struct tcpdwell_end);
	__type(value, struct tcpdwell_wanted_end);
} wanted_ends SEC(".maps");

/* The last process and end reported. A process may hold thousands of connections at one end; one
 * record is enough. */
struct {
	__u32 pass, tgid, number;
} last_written = {};

static __always_inline struct tcpdwell_wanted_end *find_end(const struct tcpdwell_end *end)
{
	struct tcpdwell_wanted_end *found = bpf_map_lookup_elem(&wanted_ends, end);

	return found && found->pass == query_pass ? found : NULL;
}

/* Reports `task` if `sk` is at a wanted end; user/lifecycle/acceptors.h uses it. */
static __always_inline void write_end(struct seq_file *seq, const struct task_struct *task,
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
	if (!found || (last_written.pass == query_pass && last_written.tgid == tgid &&
		       last_written.number == found->number))
		return;
	out->kind = TCPDWELL_HOLDS_AT_END;
	out->cookie = found->number;
	fill_task(&out->task, task);
	if (bpf_seq_write(seq, out, sizeof(*out)))
		return; /* no room: the iterator repeats this file */
	last_written.pass = query_pass;
	last_written.tgid = tgid;
	last_written.number = found->number;
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
		write_end(ctx->meta->seq, task, sk, &out);
	return 0;
}

#endif
