/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* `run`: the processes that descend from its command, and their sockets. A forked task inherits the
 * mark, in any session, namespace or cgroup; the children of a marked listener inherit it, accepted
 * or not. */
#ifndef TCPDWELL_FOLLOW_BPF_H
#define TCPDWELL_FOLLOW_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "config.bpf.h"
#include "emit.bpf.h"
#include "followed.bpf.h"
#include "task.bpf.h"
#include "tcpdwell/wire.h"

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, __u8);
} followed_sockets SEC(".maps");

/* write_seq on entry to CLOSE_WAIT: a later difference shows that the application still sends. Kept
 * for every socket, because the command may still accept it from another process's listener. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} written_at_fin SEC(".maps");

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	if (is_followed_task(parent))
		bpf_task_storage_get(&followed_tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

/* A followed process makes the first transition of its socket itself; that marks the socket. */
static __always_inline bool is_followed(struct sock *sk, int from, int to)
{
	if (from == TCP_CLOSE && (to == TCP_SYN_SENT || to == TCP_LISTEN) &&
	    is_followed_task(bpf_get_current_task_btf()))
		return bpf_sk_storage_get(&followed_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	return bpf_sk_storage_get(&followed_sockets, sk, NULL, 0);
}

/* enum tcpdwell_more_flags that only `run` uses. */
static __always_inline __u8 flags_for_run(struct sock *sk, int from, int to, __u32 write_seq)
{
	__u8 flags = is_followed(sk, from, to) ? TCPDWELL_FOLLOWED : 0;
	__u32 *written;

	if (is_followed_task(bpf_get_current_task_btf()))
		flags |= TCPDWELL_BY_FOLLOWED;
	if (to == TCP_CLOSE_WAIT) {
		written = bpf_sk_storage_get(&written_at_fin, sk, NULL,
					     BPF_SK_STORAGE_GET_F_CREATE);
		if (written)
			*written = write_seq;
	} else if (from == TCP_CLOSE_WAIT) {
		written = bpf_sk_storage_get(&written_at_fin, sk, NULL, 0);
		if (!written || *written != write_seq)
			flags |= TCPDWELL_SENT;
	}
	return flags;
}

/* The last thread of a process exits. The kernel closes its descriptors after this. */
SEC("?tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct tcpdwell_exit *out;

	if (task->signal->live.counter || !is_followed_task(task))
		return 0;
	out = reserve(sizeof(*out), TCPDWELL_EXIT, 0);
	if (!out)
		return 0;
	out->pid = visible_pid(task);
	submit(out);
	return 0;
}

#endif
