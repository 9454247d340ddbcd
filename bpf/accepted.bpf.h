/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* From what accept() returns to its socket. */
#ifndef TCPDWELL_ACCEPTED_BPF_H
#define TCPDWELL_ACCEPTED_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "core_compat.bpf.h"

/* The TCP socket of an accepted socket: of MPTCP, the first subflow. NULL: neither protocol. */
static __always_inline const struct sock *tcp_of(const struct sock *sk)
{
	const struct mptcp_sock *msk = (const void *)sk;
	__u16 protocol = READ(TYPED(struct sock, sk), sk_protocol);

	if (protocol == IPPROTO_TCP)
		return sk;
	if (protocol == IPPROTO_MPTCP && bpf_core_field_exists(msk->first))
		return BPF_CORE_READ(msk, first);
	return NULL;
}

/* Another thread may have reused the descriptor for a file that is not a socket. Of a socket, the
 * file and the struct socket point at each other. NULL: no socket. */
static __always_inline const struct sock *sock_of_fd(long fd)
{
	const struct task_struct *task = bpf_get_current_task_btf();
	const struct fdtable *table = task->files->fdt;
	const struct socket *socket;
	const struct file *file;
	struct file **slot;

	if (fd < 0 || fd >= table->max_fds)
		return NULL;
	slot = table->fd + fd;
	if (bpf_probe_read_kernel(&file, sizeof(file), slot) || !file)
		return NULL;
	socket = READ(TYPED(struct file, file), private_data);
	if (!socket)
		return NULL;
	socket = TYPED(struct socket, socket);
	return READ(socket, file) == file ? READ(socket, sk) : NULL;
}

/* The result of inet_csk_accept() follows the arguments, of which 6.10 removed two. */
static __always_inline const struct sock *accept_result(__u64 *ctx)
{
	__u64 sk = 0;

	/* Keep two loads at constant offsets: the verifier rejects a variable offset into ctx. */
	if (accept_args == 2) {
		sk = ctx[2];
		barrier_var(sk);
	} else if (accept_args == 4) {
		sk = ctx[4];
		barrier_var(sk);
	}
	return (const void *)sk;
}

#endif
