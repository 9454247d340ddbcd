/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* `run`: which processes descend from its command, and which sockets are theirs. A mark on the task
 * goes to whatever it forks, in any session, namespace or cgroup; a mark on a listener goes to its
 * children, accepted or not. */
#ifndef TCPDWELL_FOLLOW_BPF_H
#define TCPDWELL_FOLLOW_BPF_H

/* User space marks the command itself, by its pidfd, before it executes anything. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u8);
} followed_tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, __u8);
} followed_sockets SEC(".maps");

/* write_seq when a socket came to CLOSE_WAIT: what was sent since shows an application that goes on.
 * Of every socket: whether the command accepts it from a listener of others is not known yet. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} written_at_fin SEC(".maps");

/* What decides is the mark of the group leader: kernel threads that serve a ring of the process
 * (io_uring) were never forked. Every thread has one, though: the thread that calls exec becomes
 * the leader, and the old leader takes its mark away. */
static __always_inline bool is_followed_task(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	return leader && bpf_task_storage_get(&followed_tasks, leader, NULL, 0);
}

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	if (is_followed_task(parent))
		bpf_task_storage_get(&followed_tasks, child, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	return 0;
}

/* A socket is theirs from its first transition on, which the process makes itself. */
static __always_inline bool is_followed(struct sock *sk, int from, int to)
{
	if (from == TCP_CLOSE && (to == TCP_SYN_SENT || to == TCP_LISTEN) &&
	    is_followed_task(bpf_get_current_task_btf()))
		return bpf_sk_storage_get(&followed_sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	return bpf_sk_storage_get(&followed_sockets, sk, NULL, 0);
}

/* What `run` wants to know of a transition: enum tcpdwell_more_flags. */
static __always_inline __u8 facts_for_run(struct sock *sk, int from, int to, __u32 write_seq)
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

/* The last thread of it is about to end; its descriptors are closed after this. */
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
