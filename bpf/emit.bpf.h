/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Writes ring records: reserves, counts failures, zeroes and submits. No other file does. */
#ifndef TCPDWELL_EMIT_BPF_H
#define TCPDWELL_EMIT_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "tcpdwell/wire.h"

/* A wakeup costs many times as much as an event. So user space requests one before it sleeps, and
 * only the next record wakes it; an awake reader finds the others. */
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
 * miss the caches and the TLB. `spilled` is large and takes records while `events` is full,
 * until the reader has emptied both.
 *
 * shared.phase selects the ring: `events` in even phases, `spilled` in odd ones. A producer that
 * finds `events` full begins an odd phase; only the reader begins an even one. The reader
 * empties the ring of a phase before it goes on to the next (user/kernel/ring_pair.h).
 *
 * A record is valid only if the phase, read after the reservation, still selects its ring.
 * Otherwise the reservation is discarded and the record goes to the other ring. So if a reader
 * reads the end of a ring after the next phase began, all records of the earlier phase are
 * before that end. A full barrier separates the two steps. Transitions of one socket are
 * serialized, so each sees the phase of the previous one, or a later one.
 */
static __always_inline bool is_spilling(__u64 phase)
{
	return phase & 1;
}

static __always_inline __u64 phase_after_reserve(void)
{
	__u64 barrier = 0, before;

	before = __sync_fetch_and_or(&barrier, 1);
	/* Without a use of the result, clang emits an atomic without fetch: no barrier on arm64. */
	asm volatile("" : "+r"(before));
	return *(volatile __u64 *)&shared.phase;
}

/* The phase includes the end of `spilled`: records before that end belong to earlier phases. */
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

/* Ring memory is dirty. Write every byte of the record, or old kernel data leaks to user space. */
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
