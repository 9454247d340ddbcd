/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Where the threads of some processes wait: their registers and system calls, from a walk through
 * all tasks. Reads no memory of a process: that could wait for a file system. */
#ifndef TCPDWELL_BLOCKED_BPF_H
#define TCPDWELL_BLOCKED_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "flow.bpf.h"
#include "registers.bpf.h"
#include "task.bpf.h"
#include "tcpdwell/where_wire.h"

/* Processes to report, by their pid in the tracer's pid namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 12);
	__type(key, __u32);
	__type(value, __u8);
} wanted_processes SEC(".maps");

#define S_IFMT_ 0170000
#define S_IFSOCK_ 0140000
#define IPPROTO_TCP_ 6

/* If the descriptor is a TCP socket, fills in its flow. */
static __always_inline void fill_descriptor(struct tcpdwell_flow *flow,
					    const struct task_struct *task, __u64 fd)
{
	const struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd);
	const struct socket *socket;
	const struct file *file;
	const struct sock *sk;
	__u16 family;

	if (fd >= BPF_CORE_READ(table, max_fds) || bpf_core_read(&file, sizeof(file), &files[fd]) ||
	    !file)
		return;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT_) != S_IFSOCK_)
		return;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if ((family == AF_INET_ || family == AF_INET6_) &&
	    BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP_)
		probe_flow(flow, &sk->__sk_common);
}

/* About to sleep, it can still go on without a context switch. A bit-field since 7.3. */
static __always_inline bool is_on_cpu(const struct task_struct *task)
{
	return BPF_CORE_READ_BITFIELD(task, on_cpu);
}

SEC("iter/task")
int blocked_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct tcpdwell_blocked out = {};
	const struct pt_regs *regs;

	if (!task)
		return 0;
	out.pid = visible_pid(task);
	if (!out.pid || !bpf_map_lookup_elem(&wanted_processes, &out.pid))
		return 0;
	regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	if (!regs)
		return 0;
	out.tid = visible_tid(task);
	out.waits = task->__state != 0 && !is_on_cpu(task);
	out.switches = task->nvcsw + task->nivcsw;
	out.thread_pointer = thread_pointer_of(task);
	BPF_CORE_READ_STR_INTO(&out.comm, task, comm);
	out.is_native = read_registers(&out.registers, regs);
	read_system_call(&out.call, out.args, regs);
	if (out.call >= 0)
		fill_descriptor(&out.flow, task, out.args[0]);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

#endif
