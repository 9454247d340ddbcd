/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Finds network namespaces: those of threads, and those that a descriptor refers to, as a socket in
 * the namespace or as the namespace itself. */
#ifndef TCPDWELL_NETNS_REFS_BPF_H
#define TCPDWELL_NETNS_REFS_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "core_compat.bpf.h"
#include "holders.bpf.h"
#include "task.bpf.h"
#include "tcpdwell/wire.h"

#define NSFS_MAGIC_ 0x6e736673
#define CLONE_NEWNET_ 0x40000000

static __always_inline void write_place(struct seq_file *seq, const struct net *net,
					struct tcpdwell_place *out)
{
	out->netns_cookie = BPF_CORE_READ(net, net_cookie);
	out->netns_inum = BPF_CORE_READ(net, ns.inum);
	bpf_seq_write(seq, out, sizeof(*out));
}

SEC("iter/task")
int netns_of_tasks(struct bpf_iter__task *ctx)
{
	struct tcpdwell_place out = {.kind = TCPDWELL_PLACE_OF_TASK, .fd = -1};
	const struct task_struct *task = ctx->task;
	const struct net *net;

	if (!task)
		return 0;
	net = BPF_CORE_READ(task, nsproxy, net_ns);
	if (!net)
		return 0; /* the task is exiting */
	if (BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid) &&
	    net == BPF_CORE_READ(task, group_leader, nsproxy, net_ns))
		return 0;
	out.tid = visible_tid(task);
	if (out.tid)
		write_place(ctx->meta->seq, net, &out);
	return 0;
}

/* The network namespace that an nsfs file refers to; NULL if it is of another type. */
static __always_inline const struct net *net_of_nsfs(const struct file *file)
{
	const struct inode *inode = BPF_CORE_READ(file, f_inode);
	const struct ns_common *ns;

	if (BPF_CORE_READ(inode, i_sb, s_magic) != NSFS_MAGIC_)
		return NULL;
	ns = BPF_CORE_READ(inode, i_private);
	if (namespace_type(ns) != CLONE_NEWNET_)
		return NULL;
	return (const void *)ns - bpf_core_field_offset(struct net, ns);
}

SEC("iter/task_file")
int netns_of_files(struct bpf_iter__task_file *ctx)
{
	struct tcpdwell_place out = {.fd = ctx->fd};
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	const struct net *net;
	struct socket *socket;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (socket) {
		out.kind = TCPDWELL_PLACE_OF_SOCKET;
		net = BPF_CORE_READ(socket, sk, __sk_common.skc_net.net);
	} else {
		out.kind = TCPDWELL_PLACE_OF_FILE;
		net = net_of_nsfs(file);
	}
	/* Skip a socket in the namespace of its task, which the walk through the tasks reports.
	 * Report an nsfs descriptor in any case: the task may have entered the namespace after that
	 * walk, and such descriptors are few. */
	if (!net || (socket && net == BPF_CORE_READ(task, nsproxy, net_ns)))
		return 0;
	out.tid = visible_pid(task);
	if (out.tid)
		write_place(ctx->meta->seq, net, &out);
	return 0;
}

#define MAX_NAMESPACES (1 << 20)
#define MAX_UNROLLED_NAMESPACES 256

struct list_walk {
	struct seq_file *seq;
	const struct net *net, *first;
};

/* Returns 1 at the end of the circular list or at an unreadable entry. The list head is not a
 * namespace; its cookie matches none. */
static long visit_namespace(__u32 index, struct list_walk *walk)
{
	struct tcpdwell_place out = {.kind = TCPDWELL_PLACE_IN_LIST, .fd = -1};
	const struct net *net = walk->net;
	const void *next = BPF_CORE_READ(net, list.next);

	if (in_query_set(BPF_CORE_READ(net, net_cookie)))
		write_place(walk->seq, net, &out);
	walk->net = next ? next - bpf_core_field_offset(struct net, list) : NULL;
	return !next || walk->net == walk->first;
}

/* Reports which queried namespaces are in the kernel's list. A namespace leaves the list when its
 * last reference is gone: it then has no sockets but minisocks, which are about to go. The last
 * record says that the walk was complete. The RCU read lock of the program keeps removed entries
 * valid. bpf_loop() exists since 5.17. */
SEC("iter/task")
int netns_in_list(struct bpf_iter__task *ctx)
{
	struct tcpdwell_place end = {.kind = TCPDWELL_PLACE_END_OF_LIST, .fd = -1};
	struct list_walk walk = {.seq = ctx->meta->seq};
	const struct task_struct *reader;

	if (ctx->meta->seq_num != 0 || !ctx->task)
		return 0; /* one walk, whatever the number of tasks */
	reader = bpf_get_current_task_btf();
	walk.net = walk.first = BPF_CORE_READ(reader, nsproxy, net_ns);
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(MAX_NAMESPACES, visit_namespace, &walk, 0);
	} else {
		for (__u32 i = 0; i < MAX_UNROLLED_NAMESPACES; i++)
			if (visit_namespace(i, &walk))
				break;
	}
	if (walk.net == walk.first)
		bpf_seq_write(ctx->meta->seq, &end, sizeof(end));
	return 0;
}

#endif
