/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sock:inet_sock_set_state: every transition of a full socket. */
#ifndef TCPDWELL_SET_STATE_BPF_H
#define TCPDWELL_SET_STATE_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "config.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "follow.bpf.h"
#include "mptcp.bpf.h"
#include "task.bpf.h"
#include "transition_class.bpf.h"
#include "tcpdwell/wire.h"

/* Number of earlier lives of a socket: connect() again on one descriptor keeps the cookie. Only a
 * socket that ends while a process holds it can be reused, so only such a socket gets storage. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} lives SEC(".maps");

/* A connect() that found no port sends no packet and does not count as a life. */
static __always_inline __u32 life_of(struct sock *sk, const struct sock *plain,
				     const struct tcpdwell_flow *flow, __u32 class)
{
	__u32 *life = NULL;

	if (class & FROM_CLOSE) {
		if (!plain->sk_bpf_storage)
			return 0;
		life = bpf_sk_storage_get(&lives, sk, NULL, 0);
	} else if (class & DISCONNECTED && flow->local_port) {
		life = bpf_sk_storage_get(&lives, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
		if (life)
			(*life)++;
		return 0;
	}
	return life ? *life : 0;
}

/* The helper is needed only if the socket has no cookie yet. */
static __always_inline __u64 cookie_of(struct sock *sk, const struct sock *plain)
{
	__u64 cookie = plain->__sk_common.skc_cookie.counter;

	return cookie ? cookie : bpf_get_socket_cookie(sk);
}

struct change {
	int from, to;
	__u64 cookie;
	__u32 life;
	__u32 receive_queue;
	__u8 flags;
	__u8 more_flags;
	__u8 rare_flags;
};

static __always_inline void fill_transition(struct tcpdwell_transition *out, struct sock *sk,
					    const struct sock *plain,
					    const struct tcpdwell_flow *flow,
					    const struct change *change)
{
	out->object = (__u64)sk;
	out->cookie = change->cookie;
	out->flow = *flow;
	out->sock_cgroup_id = plain->sk_cgrp_data.cgroup->kn->id;
	out->life = change->life;
	out->err = plain->sk_err;
	out->from = change->from;
	out->to = change->to;
	out->shutdown = plain->sk_shutdown;
	out->flags = change->flags;
	out->more_flags = change->more_flags;
	out->rare_flags = change->rare_flags;
	out->receive_queue = change->receive_queue;
}

/* Flags that few sockets have. sk_err may be an old error (IP_RECVERR, a sockmap) that ended
 * nothing, so the sequence numbers decide whether both FINs were exchanged. */
static __always_inline __u8 rare_flags(const struct sock *sk, const struct tcp_sock *tp, int from,
				       int to, __u32 class)
{
	bool repair = BPF_CORE_READ_BITFIELD(tp, repair);
	__u8 flags = repair ? TCPDWELL_REPAIR : 0;

	if (to == TCP_LISTEN)
		return flags | TCPDWELL_LISTEN_UNSURE;
	if (to != TCP_CLOSE)
		return flags;
	if (from == TCP_LISTEN) {
		if (class & LISTEN_FAILED)
			return flags | TCPDWELL_LISTEN_FAILED;
		return sk->sk_shutdown ? flags : flags | TCPDWELL_MAY_BE_KILLED;
	}
	if ((from == TCP_FIN_WAIT2 || from == TCP_CLOSING || from == TCP_LAST_ACK) &&
	    sk->__sk_common.skc_flags & (1UL << SOCK_DONE) && tp->write_seq == tp->snd_una)
		flags |= TCPDWELL_FINS_DONE;
	return flags;
}

/* The FIN takes a sequence number, and bytes_received counts it: SOCK_DONE: it came. */
static __always_inline void fill_tally(struct tcpdwell_tally *out, const struct sock *sk,
				       const struct tcp_sock *tp)
{
	bool fin = sk->__sk_common.skc_flags & (1UL << SOCK_DONE);

	out->bytes_sent = tp->bytes_sent;
	out->bytes_received = tp->bytes_received;
	if (fin && out->bytes_received)
		out->bytes_received--;
	out->retransmits = tp->total_retrans;
	out->srtt_us = tp->srtt_us >> 3;
}

#define MOST_SYNS 255 /* a byte */

/* At the end of a handshake, only its SYN or SYN-ACK can have been sent again. A child's counter
 * begins with that of its request. */
static __always_inline __u8 syns_sent(const struct tcp_sock *tp, int to)
{
	__u32 again;

	if (to != TCP_ESTABLISHED)
		return 0;
	again = tp->total_retrans;
	return again < MOST_SYNS ? again + 1 : MOST_SYNS;
}

/* Three record sizes: most transitions need neither task nor tally. No task makes a transition to
 * TCP_ESTABLISHED. */
static __always_inline void emit_plain(struct sock *sk, const struct sock *plain,
				       const struct tcp_sock *tp, const struct tcpdwell_flow *flow,
				       const struct change *change)
{
	struct tcpdwell_transition *out = reserve_dirty(sizeof(*out), TCPDWELL_TRANSITION,
							syns_sent(tp, change->to));

	if (!out)
		return;
	fill_transition(out, sk, plain, flow, change);
	submit(out);
}

/* A walk through descriptors holds each file for a moment. If a process closes its last descriptor of
 * the socket meanwhile, the socket ends in the tracer, which is not who closed it. */
static __always_inline void fill_task_of(struct tcpdwell_transition *base,
					 struct tcpdwell_task *task, int from)
{
	fill_current_task(task);
	if (task->pid == tracer_pid && from != TCP_CLOSE)
		base->flags &= ~TCPDWELL_TASK;
}

static __always_inline void emit_with_task(struct sock *sk, const struct sock *plain,
					   const struct tcpdwell_flow *flow,
					   const struct change *change)
{
	struct tcpdwell_transition_task *out = reserve_dirty(sizeof(*out), TCPDWELL_TRANSITION, 0);

	if (!out)
		return;
	fill_transition(&out->base, sk, plain, flow, change);
	fill_task_of(&out->base, &out->task, change->from);
	submit(out);
}

static __always_inline void emit_end(struct sock *sk, const struct sock *plain,
				     const struct tcp_sock *tp, const struct tcpdwell_flow *flow,
				     const struct change *change)
{
	struct tcpdwell_transition_end *out = reserve_dirty(sizeof(*out), TCPDWELL_TRANSITION, 0);

	if (!out)
		return;
	fill_transition(&out->base, sk, plain, flow, change);
	if (!tp->segs_out)
		out->base.more_flags |= TCPDWELL_SILENT;
	if (tp->rx_opt.ts_recent_stamp)
		out->base.more_flags |= TCPDWELL_TIMESTAMPED;
	if (change->flags & TCPDWELL_TASK)
		fill_task_of(&out->base, &out->task, change->from);
	else
		__builtin_memset(&out->task, 0, sizeof(out->task));
	fill_tally(&out->tally, plain, tp);
	submit(out);
}

/* The last child that this CPU made. The same call cancels its request right after. */
struct child {
	__u64 at;
	struct tcpdwell_flow flow;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct child);
} child_made SEC(".maps");

static __always_inline struct child *last_child(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&child_made, &zero);
}

static __always_inline void note_child(const struct tcpdwell_flow *flow)
{
	struct child *child = last_child();

	if (child) {
		child->at = bpf_ktime_get_ns();
		child->flow = *flow;
	}
	/* Older kernels set the addresses after this transition. */
	if (!flow->remote_port && !shared.children_late)
		shared.children_late = 1;
}

/* Making the child failed: the end of its request must be reported. */
static __always_inline void forget_child(void)
{
	struct child *child = last_child();

	if (child)
		child->at = 0;
}

/* Ids of the last transitions that the main program (below) saw on this CPU. */
#define RECENT 1024 /* a power of two; more than other tasks make in some time slices */
struct cpu_history {
	__u64 address, backup_address;
	__u32 last;
	__u64 recent[RECENT];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_history);
} cpu_history SEC(".maps");

static __always_inline struct cpu_history *cpu_history_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_history, &zero);
}

/* Unique by address and cookie together: an address is reused at once, and a child has the cookie
 * of its listener, or none. The socket needs its cookie first: without one, it looks like an earlier
 * socket at its address, and another CPU (ss, a walk) can make one between the two programs, which
 * then disagree. `address` is a variable of the calling program: the verifier allows
 * arithmetic on a pointer only after a store. */
static __always_inline __u64 transition_id(const struct sock *sk, int from, int to,
					   volatile __u64 *address)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;

	*address = (__u64)sk;
	return (cookie << 8 | from << 4 | to) ^ (*address << 20);
}

struct search {
	const struct cpu_history *in;
	__u64 id;
	bool found;
};

static long compare_recent(__u32 index, struct search *search)
{
	search->found = search->in->recent[index % RECENT] == search->id;
	return search->found;
}

/* The verifier follows a plain loop round by round; bpf_loop() exists since 5.17. */
static __always_inline bool is_recent(const struct cpu_history *history, __u64 id)
{
	struct search search = {.in = history, .id = id};

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(RECENT, compare_recent, &search, 0);
	} else {
		for (__u32 i = 0; i < RECENT; i++)
			if (compare_recent(i, &search))
				break;
	}
	return search.found;
}

/* `sk` is trusted, for helpers that require it. Since 6.3 the verifier searches all kernel types by
 * name, several times, for each pointer read from a trusted pointer: a second for this program. So
 * fields are read through the pointer that bpf_skc_to_tcp_sock() returns, which is NULL for MPTCP
 * sockets; their changes are events of another kind. `backup`: called by the backup program, which
 * skips `id` if the main program has seen it. */
static __always_inline void emit_transition(struct sock *sk, int from, int to,
					    struct cpu_history *history, bool backup, __u64 id)
{
	struct change change = {.from = from, .to = to};
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	const struct sock *plain = (const void *)tp;
	struct tcpdwell_flow flow = {};
	__u32 class;

	if (!tp && !is_mptcp_change(sk, from))
		return;
	if (backup) {
		if (is_recent(history, id))
			return;
		__sync_fetch_and_add(&shared.nested_transitions, 1);
	}
	if (!tp) {
		bpf_get_socket_cookie(sk);
		emit_mptcp_change(sk, from, to);
		if (!backup)
			history->recent[++history->last % RECENT] = transition_id(
				sk, from, to, &history->address);
		return;
	}
	change.cookie = cookie_of(sk, plain); /* of a socket that the filter excludes, too */
	class = transition_class_of(from, to, socket_bits_of(plain, tp, to));
	change.flags = class;
	change.rare_flags = rare_flags(plain, tp, from, to, class);
	fill_flow(&flow, plain, tp, class & FROM_CLOSE);
	if (class & CHILD_MADE)
		note_child(&flow);
	else if (class & CHILD_FAILED)
		forget_child();
	change.life = life_of(sk, plain, &flow, class);
	change.receive_queue = tp->rcv_nxt - tp->copied_seq;
	if (tp->write_seq != tp->snd_una)
		change.more_flags |= TCPDWELL_UNACKED;
	if (follows)
		change.more_flags |= flags_for_run(sk, from, to, tp->write_seq);
	if (transition_passes(&flow, from)) {
		if (class & TCPDWELL_TALLY)
			emit_end(sk, plain, tp, &flow, &change);
		else if (class & TCPDWELL_TASK)
			emit_with_task(sk, plain, &flow, &change);
		else
			emit_plain(sk, plain, tp, &flow, &change);
	}
	if (!backup)
		history->recent[++history->last % RECENT] = transition_id(plain, from, to,
									  &history->address);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int from, int to)
{
	struct cpu_history *history = cpu_history_here();

	if (history)
		emit_transition(sk, from, to, history, false, 0);
	return 0;
}

/* The backup program. A packet can arrive while the program above runs for a system call, and since
 * 7.0 a task can be preempted there for a time slice. The kernel does not run a program inside
 * itself, but does run another one: this program reports transitions that the main program missed.
 * The newest entry usually matches. Older ones matter only if something ran between the two
 * programs. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state_backup, struct sock *sk, int from, int to)
{
	struct cpu_history *history = cpu_history_here();
	__u64 id;

	if (!history)
		return 0;
	id = transition_id(sk, from, to, &history->backup_address);
	if (history->recent[history->last % RECENT] != id)
		emit_transition(sk, from, to, history, true, id);
	return 0;
}

#endif
