/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* sock:inet_sock_set_state, the backbone: every transition of a full socket. */
#ifndef TCPDWELL_SET_STATE_BPF_H
#define TCPDWELL_SET_STATE_BPF_H

/* How often a socket was used before: connect() again on one descriptor keeps the cookie. Only a
 * socket that ends while somebody holds it can be used again, so only such a one gets storage. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u32);
} lives SEC(".maps");

/* connect() that found no port ends without a packet: that was no life. */
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

/* Only its first reader makes a socket's cookie. */
static __always_inline __u64 cookie_of(struct sock *sk, const struct sock *plain)
{
	__u64 cookie = plain->__sk_common.skc_cookie.counter;

	return cookie ? cookie : bpf_get_socket_cookie(sk);
}

struct change {
	int from, to;
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
	out->cookie = cookie_of(sk, plain);
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

/* What few sockets have. sk_err may be an old error (IP_RECVERR, a sockmap) that ended nothing: whether
 * both FINs were exchanged is told from the sequence numbers. */
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

/* The FIN takes a sequence number, and bytes_received counts it: SOCK_DONE says that it came. */
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

/* Three sizes, since most transitions need neither task nor tally. */
static __always_inline void emit_plain(struct sock *sk, const struct sock *plain,
				       const struct tcpdwell_flow *flow,
				       const struct change *change)
{
	struct tcpdwell_transition *out = reserve_dirty(sizeof(*out), TCPDWELL_TRANSITION, 0);

	if (!out)
		return;
	fill_transition(out, sk, plain, flow, change);
	submit(out);
}

static __always_inline void emit_with_task(struct sock *sk, const struct sock *plain,
					   const struct tcpdwell_flow *flow,
					   const struct change *change)
{
	struct tcpdwell_transition_task *out = reserve_dirty(sizeof(*out), TCPDWELL_TRANSITION, 0);

	if (!out)
		return;
	fill_transition(&out->base, sk, plain, flow, change);
	fill_current_task(&out->task);
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
		fill_current_task(&out->task);
	else
		__builtin_memset(&out->task, 0, sizeof(out->task));
	fill_tally(&out->tally, plain, tp);
	submit(out);
}

/* The child that this CPU made last: its request is cancelled right after, by the same call. */
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
	/* Older kernels fill the child in after this transition. */
	if (!flow->remote_port && !shared.children_late)
		shared.children_late = 1;
}

/* A child that could not be made: what becomes of its request is still to be told. */
static __always_inline void forget_child(void)
{
	struct child *child = last_child();

	if (child)
		child->at = 0;
}

/* The transitions that the main program (below) has seen last on this CPU, by name. */
#define RECENT 1024 /* a power of two; more than some time slices let others make */
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

/* An address is used again at once; a child has its listener's cookie, or none. Both together are
 * nobody else's. `address`: a place of its own for each program, since the verifier calculates with
 * a pointer only once it was stored. */
static __always_inline __u64 transition_id(const struct sock *sk, int from, int to,
				     volatile __u64 *address)
{
	__u64 cookie = sk->__sk_common.skc_cookie.counter;

	*address = (__u64)sk;
	return (cookie << 8 | from << 4 | to) ^ (*address << 20);
}

struct search {
	const struct cpu_history *in;
	__u64 name;
	bool found;
};

static long look_at(__u32 index, struct search *search)
{
	search->found = search->in->recent[index % RECENT] == search->name;
	return search->found;
}

/* The verifier goes through the rounds of a plain loop one by one; bpf_loop() came with 5.17. */
static __always_inline bool is_recent(const struct cpu_history *history, __u64 name)
{
	struct search search = {.in = history, .name = name};

	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(RECENT, look_at, &search, 0);
	} else {
		for (__u32 i = 0; i < RECENT; i++)
			if (look_at(i, &search))
				break;
	}
	return search.found;
}

/* `sk` is trusted, for helpers that demand it. From 6.3 on the verifier searches all of the kernel's
 * types by name, several times, for each pointer that is read from what is trusted: a second for
 * this program. So what is read is read from the same socket as bpf_skc_to_tcp_sock() returns it.
 * That is NULL for MPTCP sockets, whose changes are events of another kind.
 * `backup`: of the main program, and looks for `name` in what that remembers. */
static __always_inline void emit_transition(struct sock *sk, int from, int to, struct cpu_history *history,
					    bool backup, __u64 name)
{
	struct change change = {.from = from, .to = to};
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	const struct sock *plain = (const void *)tp;
	struct tcpdwell_flow flow = {};
	__u32 class;

	if (!tp && !is_mptcp_change(sk, from))
		return;
	if (backup) {
		if (is_recent(history, name))
			return;
		__sync_fetch_and_add(&shared.nested_transitions, 1);
	}
	if (!tp) {
		emit_mptcp_change(sk, from, to);
		if (!backup)
			history->recent[++history->last % RECENT] = transition_id(sk, from, to, &history->address);
		return;
	}
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
		change.more_flags |= facts_for_run(sk, from, to, tp->write_seq);
	if (transition_passes(&flow, from)) {
		if (class & TCPDWELL_TALLY)
			emit_end(sk, plain, tp, &flow, &change);
		else if (class & TCPDWELL_TASK)
			emit_with_task(sk, plain, &flow, &change);
		else
			emit_plain(sk, plain, &flow, &change);
	}
	if (!backup)
		history->recent[++history->last % RECENT] = transition_id(plain, from, to, &history->address);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state, struct sock *sk, int from, int to)
{
	struct cpu_history *history = cpu_history_here();

	if (history)
		emit_transition(sk, from, to, history, false, 0);
	return 0;
}

/* A packet that comes in the middle of a system call changes sockets while the program above may be
 * at work for that call; and from 7.0 a task can be preempted there, for a whole time slice of
 * another one. The kernel does not run a program inside itself, but it does run another: so this one,
 * which has nothing to do otherwise, sees what would be lost. Nearly always what it looks for was
 * seen last; what was seen before that shows where it was interrupted between the two. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_set_state_backup, struct sock *sk, int from, int to)
{
	struct cpu_history *history = cpu_history_here();
	__u64 name;

	if (!history)
		return 0;
	name = transition_id(sk, from, to, &history->backup_address);
	if (history->recent[history->last % RECENT] != name)
		emit_transition(sk, from, to, history, true, name);
	return 0;
}

#endif
