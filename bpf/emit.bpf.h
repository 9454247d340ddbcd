/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Ring records: reserved, counted when that fails, zeroed, submitted; here and nowhere else. */
#ifndef TCPDWELL_EMIT_BPF_H
#define TCPDWELL_EMIT_BPF_H

/* A wakeup costs many times the event. So user space asks for one before it sleeps, and the next
 * record grants it; all others are found by the reader that is awake. */
static __always_inline __u64 wakeup_flags(void)
{
	if (!shared.wakeup)
		return BPF_RB_NO_WAKEUP;
	shared.wakeup = 0;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void fill_head(struct tcpdwell_head *head, __u8 kind, __u8 op)
{
	head->at_ns = bpf_ktime_get_ns();
	head->version = TCPDWELL_WIRE_VERSION;
	head->kind = kind;
	head->op = op;
	head->cpu = bpf_get_smp_processor_id();
}

/*
 * Two rings, one order. `events` is small and stays in the caches; a record in a large ring can
 * miss the caches and the TLB. `spilled` is large. It takes the records that come while `events`
 * is full, until the reader has emptied both.
 *
 * shared.phase says which of the two is in use: `events` in even phases, `spilled` in odd ones. A
 * producer that finds `events` full begins an odd phase; only the reader begins an even one. The
 * reader empties the ring of a phase before it goes on to the next (user/kernel/ring_pair.h).
 *
 * The order holds because a record counts only if, after its room was taken, the phase is still one
 * of its ring. Else the room is given up and the record goes to the other ring. So a reader that
 * looks at a ring's end after the next phase began has all records of the phase before that end.
 * The order of the two steps matters: a full barrier stands between them. Changes of one socket
 * are made one after the other, so each finds the phase of the one before, or a later one.
 */
static __always_inline bool is_spilling(__u64 phase)
{
	return phase & 1;
}

static __always_inline __u64 phase_after_reserve(void)
{
	__u64 barrier = 0, before;

	before = __sync_fetch_and_or(&barrier, 1);
	/* Clang makes it an operation that fetches nothing if nobody looks: no barrier on arm64. */
	asm volatile("" : "+r"(before));
	return *(volatile __u64 *)&shared.phase;
}

/* Where the second ring ends goes with the phase: what is before it belongs to an earlier phase. */
static __always_inline void begin_spilling(void)
{
	__u64 phase = __sync_fetch_and_or(&shared.phase, 0);
	__u64 end;

	if (is_spilling(phase))
		return;
	end = bpf_ringbuf_query(&spilled, BPF_RB_PROD_POS);
	__sync_val_compare_and_swap(&shared.phase, phase,
				    end << TCPDWELL_PHASE_BITS |
					    ((phase + 1) & TCPDWELL_PHASE_MASK));
}

static __always_inline void *reserve_in_events(__u64 size)
{
	void *record = bpf_ringbuf_reserve(&events, size, 0);

	if (!record || !spills || !is_spilling(phase_after_reserve()))
		return record;
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
	return NULL;
}

static __always_inline void *reserve_in_spilled(__u64 size)
{
	void *record = bpf_ringbuf_reserve(&spilled, size, 0);

	if (!record || is_spilling(phase_after_reserve()))
		return record;
	bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
	return NULL;
}

static __always_inline void *reserve_room(__u64 size)
{
	void *record;

	if (!spills || !is_spilling(*(volatile __u64 *)&shared.phase)) {
		record = reserve_in_events(size);
		if (record || !spills)
			return record;
		begin_spilling();
	}
	record = reserve_in_spilled(size);
	if (record || is_spilling(phase_after_reserve()))
		return record;
	return reserve_in_events(size); /* the reader has just emptied both */
}

/* Ring memory is dirty: whoever fills this writes each byte of it, or what was there before leaks. */
static __always_inline void *reserve_dirty(__u64 size, __u8 kind, __u8 op)
{
	void *record = reserve_room(size);

	if (!record) {
		__sync_fetch_and_add(&shared.lost_events, 1);
		if (kind == TCPDWELL_TRANSITION)
			__sync_fetch_and_add(&shared.lost_transitions, 1);
		return NULL;
	}
	fill_head(record, kind, op);
	return record;
}

static __always_inline void *reserve(__u64 size, __u8 kind, __u8 op)
{
	void *record = reserve_dirty(size, kind, op);

	if (record)
		__builtin_memset(record + sizeof(struct tcpdwell_head), 0,
				 size - sizeof(struct tcpdwell_head));
	return record;
}

static __always_inline void submit(void *record)
{
	bpf_ringbuf_submit(record, wakeup_flags());
}

#endif
