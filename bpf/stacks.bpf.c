// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * --where in a trace: the stack of the thread that opens a socket, and of the one that reads its
 * end of stream, when that happens. A separate object, so that without that option nothing of it
 * is loaded.
 *
 * The records are hundreds of times as large as those of tcpdwell.bpf.c, so they have a ring of
 * their own: in the small one they would displace what the processor's caches have of it, and what
 * they fill would be lost to transitions. No order between the two rings is needed: a stack belongs
 * to a cookie, which is never reused.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "accepted.bpf.h"
#include "config.bpf.h"
#include "core_compat.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "followed.bpf.h"
#include "python.bpf.h"
#include "registers.bpf.h"
#include "task.bpf.h"
#include "tcpdwell/where_wire.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PF_IO_WORKER_ 0x00000010
#define MSG_PEEK_ 2

/* Both together: 2,000 stacks a second. */
#define BUDGET_NS (100 * 1000 * 1000ULL)
#define BUDGET_STACKS 200

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23);
} stacks SEC(".maps");

/* The begin of the window in units of BUDGET_NS, and what was used of it. The race of two CPUs that
 * begin a window lets a few more pass. */
struct {
	__u64 window, used;
} budget = {};

__u64 stacks_lost = 0; /* the ring was full */

/* Moments that were reported already: 1 << enum tcpdwell_moment. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u8);
} reported SEC(".maps");

struct mm_struct___stack {
	unsigned long start_stack;
} __attribute__((preserve_access_index));

struct task_struct___mm {
	struct mm_struct___stack *mm;
} __attribute__((preserve_access_index));

static __always_inline bool is_within_budget(void)
{
	__u64 window = bpf_ktime_get_ns() / BUDGET_NS;

	if (budget.window != window) {
		budget.window = window;
		budget.used = 0;
	}
	return __sync_fetch_and_add(&budget.used, 1) < BUDGET_STACKS;
}

/* `run`: other processes neither use up the budget nor are they slowed down. */
static __always_inline bool passes(const struct sock *sk)
{
	struct tcpdwell_flow flow = {};

	if (follows && !is_followed_task(bpf_get_current_task_btf()))
		return false;
	if (!filters)
		return true;
	probe_flow(&flow, &sk->__sk_common);
	return flow_passes(&flow);
}

static __always_inline void fill_stack_head(struct tcpdwell_stack_head *head,
					    const struct task_struct *task, __u64 cookie,
					    __u8 moment)
{
	const struct mm_struct___stack *mm;

	__builtin_memset(head, 0, sizeof(*head));
	head->at_ns = bpf_ktime_get_ns();
	head->cookie = cookie;
	head->started = task->group_leader->start_boottime;
	head->exec_id = task->self_exec_id;
	mm = BPF_CORE_READ((const struct task_struct___mm *)task, mm);
	head->stack_begin = BPF_CORE_READ(mm, start_stack);
	head->mapping_changes = mapping_changes(mm);
	head->thread_pointer = thread_pointer_of(task);
	head->pid = visible_pid(task);
	head->tid = visible_tid(task);
	head->moment = moment;
}

/* Page by page: a read that reaches the end of the stack's mapping fails as a whole. */
static __always_inline __u32 read_stack(__u8 *to, __u64 at)
{
	__u32 done = 0;

	for (int i = 0; i < TCPDWELL_STACK_PAGES; i++) {
		__u32 size = TCPDWELL_STACK_PAGE - (at & (TCPDWELL_STACK_PAGE - 1));

		if (done > TCPDWELL_STACK_BYTES - TCPDWELL_STACK_PAGE)
			break;
		if (bpf_probe_read_user(to + done, size, (const void *)at))
			break;
		done += size;
		at += size;
	}
	return done;
}

/* What is over the budget is many: to wake the reader for each would cost more than the record. It
 * looks several times a second anyway. */
static __always_inline void emit_head(const struct task_struct *task, __u64 cookie, __u8 moment,
				      __u64 wakeup)
{
	struct tcpdwell_stack_head *head = bpf_ringbuf_reserve(&stacks, sizeof(*head), 0);

	if (!head) {
		__sync_fetch_and_add(&stacks_lost, 1);
		return;
	}
	fill_stack_head(head, task, cookie, moment);
	bpf_ringbuf_submit(head, wakeup);
}

/* The current thread is in a system call. A worker of io_uring has no stack in user space. */
__noinline int emit_stack(__u64 cookie, __u32 moment)
{
	struct task_struct *task = bpf_get_current_task_btf();
	const struct pt_regs *regs = (const struct pt_regs *)bpf_task_pt_regs(task);
	const struct tcpdwell_python *python;
	struct tcpdwell_stack *out;
	__u32 pid;

	if (!cookie || !regs || task->flags & (PF_KTHREAD_ | PF_IO_WORKER_))
		return 0;
	if (!is_within_budget()) {
		emit_head(task, cookie, moment, BPF_RB_NO_WAKEUP);
		return 0;
	}
	out = bpf_ringbuf_reserve(&stacks, sizeof(*out), 0);
	if (!out) {
		emit_head(task, cookie, moment, BPF_RB_NO_WAKEUP);
		return 0;
	}
	fill_stack_head(&out->head, task, cookie, moment);
	__builtin_memset(&out->registers, 0, sizeof(out->registers));
	out->head.is_native = read_registers(&out->registers, regs);
	out->head.stack_bytes = read_stack(out->stack, stack_pointer_of(&out->registers));
	pid = out->head.pid;
	python = bpf_map_lookup_elem(&python_processes, &pid);
	if (python && out->head.is_native)
		walk_python(out, python);
	bpf_ringbuf_submit(out, 0);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_connect, struct sock *sk, int from, int to)
{
	if (to != TCP_SYN_SENT || sk->sk_protocol != IPPROTO_TCP || !passes(sk))
		return 0;
	emit_stack(bpf_get_socket_cookie(sk), TCPDWELL_OPENED);
	return 0;
}

/* 0: no transition of this socket was sent, so no connection is known. */
static __always_inline void on_accepted(const struct sock *accepted)
{
	const struct sock *sk = accepted ? tcp_of(accepted) : NULL;

	if (!sk)
		return;
	sk = TYPED(struct sock, sk);
	if (passes(sk))
		emit_stack(READ(sk, __sk_common.skc_cookie.counter), TCPDWELL_OPENED);
}

SEC("?tracepoint/syscalls/sys_exit_accept")
int on_accept_exit(struct syscall_trace_exit *ctx)
{
	on_accepted(sock_of_fd(ctx->ret));
	return 0;
}

SEC("?tracepoint/syscalls/sys_exit_accept4")
int on_accept4_exit(struct syscall_trace_exit *ctx)
{
	on_accepted(sock_of_fd(ctx->ret));
	return 0;
}

SEC("?fexit/inet_csk_accept")
int on_accept_function(__u64 *ctx)
{
	on_accepted(accept_result(ctx));
	return 0;
}

/* tcp_fin() sets SOCK_DONE, and the FIN counts in rcv_nxt. A receive that returns 0 is no end of
 * stream by itself: its length may be 0. One that returns data may have consumed the FIN behind
 * them; then the program does not know yet. */
static __always_inline void on_received(struct sock *sk, int ret, int flags)
{
	struct tcp_sock *tp;
	__u8 *before, moment;

	if (ret < 0 || flags & MSG_PEEK_ || !(sk->__sk_common.skc_flags & (1UL << SOCK_DONE)))
		return;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp || tp->copied_seq != tp->rcv_nxt)
		return;
	moment = ret == 0 ? TCPDWELL_EOF_READ : TCPDWELL_FIN_CONSUMED;
	before = bpf_sk_storage_get(&reported, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!before || *before & (1 << moment) || *before & (1 << TCPDWELL_EOF_READ) || !passes(sk))
		return;
	*before |= 1 << moment;
	emit_stack(bpf_get_socket_cookie(sk), moment);
}

SEC("?tp_btf/sock_recv_length")
int BPF_PROG(on_receive, struct sock *sk, int ret, int flags)
{
	on_received(sk, ret, flags);
	return 0;
}

/* Number of arguments of tcp_recvmsg(): 5; 6 before 5.19. */
volatile const __u32 receive_args = 0;

/* Before 6.3, which has the tracepoint. */
SEC("?fexit/tcp_recvmsg")
int on_receive_function(__u64 *ctx)
{
	struct sock *sk = (struct sock *)ctx[0];

	/* At constant offsets, as in accept_result(). */
	if (receive_args == 5)
		on_received(sk, ctx[5], ctx[3]);
	else if (receive_args == 6)
		on_received(sk, ctx[6], ctx[4]);
	return 0;
}

/* User space looks for an interpreter before the process opens its first socket. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	if (!follows || is_followed_task(task))
		emit_head(task, 0, TCPDWELL_EXECUTED, 0);
	return 0;
}
