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

/* Ring memory is dirty: whoever fills this writes each byte of it, or what was there before leaks. */
static __always_inline void *reserve_dirty(__u64 size, __u8 kind, __u8 op)
{
	void *record = bpf_ringbuf_reserve(&events, size, 0);

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
