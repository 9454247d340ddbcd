/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which network namespaces there are: those that threads are in, and those that a descriptor leads
 * to, be it of a socket in it or of the namespace itself. */
#ifndef TCPDWELL_PLACES_BPF_H
#define TCPDWELL_PLACES_BPF_H

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
int places_of_tasks(struct bpf_iter__task *ctx)
{
	struct tcpdwell_place out = {.kind = TCPDWELL_PLACE_OF_TASK, .fd = -1};
	const struct task_struct *task = ctx->task;
	const struct net *net;

	if (!task)
		return 0;
	net = BPF_CORE_READ(task, nsproxy, net_ns);
	if (!net)
		return 0; /* it is exiting */
	if (BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid) &&
	    net == BPF_CORE_READ(task, group_leader, nsproxy, net_ns))
		return 0;
	out.tid = visible_tid(task);
	if (out.tid)
		write_place(ctx->meta->seq, net, &out);
	return 0;
}

/* The namespace that a file of nsfs stands for, if it is one of the network. */
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
int places_of_files(struct bpf_iter__task_file *ctx)
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
	if (!net || net == BPF_CORE_READ(task, nsproxy, net_ns))
		return 0; /* none, or one that the task itself leads to */
	out.tid = visible_pid(task);
	if (out.tid)
		write_place(ctx->meta->seq, net, &out);
	return 0;
}

#endif
