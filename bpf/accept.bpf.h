/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which process accepted a connection. Softirq makes the child, so its transitions do not show the
 * process. User space attaches the first of these that works: fexit, which costs other system calls
 * nothing, or the exits of the system calls and, for io_uring, io_uring_complete. */
#ifndef TCPDWELL_ACCEPT_BPF_H
#define TCPDWELL_ACCEPT_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "accepted.bpf.h"
#include "config.bpf.h"
#include "core_compat.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "follow.bpf.h"
#include "task.bpf.h"
#include "tcpdwell/wire.h"

static __always_inline bool accepted_passes(const struct sock *sk)
{
	struct tcpdwell_flow flow = {};

	if (!filters)
		return true;
	probe_flow(&flow, &sk->__sk_common);
	return flow_passes(&flow);
}

static __always_inline void emit_accept(const struct sock *accepted)
{
	const struct sock *sk = tcp_of(accepted);
	struct tcpdwell_accept *out;
	__u64 cookie;

	if (!sk)
		return;
	sk = TYPED(struct sock, sk);
	if (!accepted_passes(sk))
		return;
	/* 0: no transition of this socket was sent. A Fast Open child can be accepted during its
	 * handshake; for any other socket, the kernel hid its beginning. */
	cookie = READ(sk, __sk_common.skc_cookie.counter);
	out = reserve(sizeof(*out), TCPDWELL_ACCEPT,
		      follows && is_followed_task(bpf_get_current_task_btf())
			      ? TCPDWELL_ACCEPTED_FOLLOWED
			      : TCPDWELL_ACCEPTED);
	if (!out)
		return;
	out->object = (__u64)sk;
	out->cookie = cookie;
	fill_current_task(&out->task);
	submit(out);
}

static __always_inline void accepted_fd(long fd)
{
	const struct sock *sk = sock_of_fd(fd);

	if (sk)
		emit_accept(sk);
}

SEC("?tracepoint/syscalls/sys_exit_accept")
int on_exit_accept(struct syscall_trace_exit *ctx)
{
	accepted_fd(ctx->ret);
	return 0;
}

SEC("?tracepoint/syscalls/sys_exit_accept4")
int on_exit_accept4(struct syscall_trace_exit *ctx)
{
	accepted_fd(ctx->ret);
	return 0;
}

/* struct io_accept is private to io_uring/net.c. If file_slot is set, the result is not a
 * descriptor. */
struct io_accept___private {
	__u32 file_slot;
} __attribute__((preserve_access_index));

/* (ctx, req, cqe) since 6.16; (ctx, req, user_data, res, ...) since 5.19; no req before. */
SEC("?tp_btf/io_uring_complete")
int on_io_uring_complete(__u64 *ctx)
{
	const struct io_kiocb *req = (const void *)ctx[1];
	const struct io_accept___private *accept = (const void *)&req->cmd;
	long fd;

	if (BPF_CORE_READ(req, opcode) != IORING_OP_ACCEPT)
		return 0;
	if (!bpf_core_field_exists(accept->file_slot) || BPF_CORE_READ(accept, file_slot))
		return 0;
	if (io_uring_complete_args == 3)
		fd = BPF_CORE_READ((const struct io_uring_cqe *)ctx[2], res);
	else
		fd = (int)ctx[3];
	accepted_fd(fd);
	return 0;
}

SEC("?fexit/inet_csk_accept")
int on_inet_csk_accept(__u64 *ctx)
{
	const struct sock *sk = accept_result(ctx);

	if (sk)
		emit_accept(sk);
	return 0;
}

#endif
