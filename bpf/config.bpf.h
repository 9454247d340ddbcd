/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* What user space sets before the programs load (.rodata) or before it attaches them
 * (.data.addresses), and what both sides share (.bss). */
#ifndef TCPDWELL_CONFIG_BPF_H
#define TCPDWELL_CONFIG_BPF_H

#define AF_INET_ 2
#define AF_INET6_ 10
#define PF_EXITING_ 0x00000004
#define PF_KTHREAD_ 0x00200000
#define STACK_DEPTH 14

/* Kernel addresses: user space looks for them while the programs load. It refuses to attach with a 0
 * here, which would match nothing, silently. */
__u64 tw_timer_fn SEC(".data.addresses") = 0;
__u64 reqsk_timer_fn SEC(".data.addresses") = 0;
struct tcpdwell_range ranges[TCPDWELL_MAX_RANGES] SEC(".data.addresses") = {};

/* Inode of the tracer's pid namespace; 0: the initial one, where a tgid needs no translation. */
const volatile __u32 tracer_pidns = 0;

/* How many arguments two functions take on this kernel: where what we want stands in ctx. */
const volatile __u32 accept_args = 0;
const volatile __u32 io_uring_complete_args = 0;

/* enum sk_rst_reason's SK_RST_REASON_TCP_ABORT_ON_MEMORY; the numbers shift. 0: no reasons here */
const volatile __u32 rst_reason_memory = 0;

/* `run`: whether to tell its sockets from all others */
const volatile bool follows = false;

/* Snapshots: only sockets in these states (1 << TCP_*); and how full each ring may get by them. */
const volatile __u32 snapshot_states = ~0U;
const volatile __u64 snapshot_limit = 0;
const volatile __u64 snapshot_limit_spilled = 0;

/* Holders: of all sockets, or only of those whose cookie has this pass in `query_set`; 0: of all */
__u32 query_pass = 0;
__u32 holders_ends = 0; /* ... and of connections at the ends of `wanted_ends`, too */

/* Accept queues: a walk notes what was queued up to the cutoff, counts what was later and says when
 * the first of that was queued, and counts listeners. */
__u64 queue_cutoff_us = 0;
__u64 queue_next_us = 0; /* 0: nothing was later */
__u64 queue_young = 0;
__u32 queue_listeners = 0;
__u32 queues_over = 0; /* all listeners were passed */

/* Whether `filter` says anything. Known when the programs load: where it does not, what compares
 * with it is not even there. */
const volatile bool filters = false;
const volatile struct tcpdwell_filter filter = {};

struct tcpdwell_shared shared = {};

/* Whether there is room for what `events` cannot take. Known when the programs load. */
const volatile bool spills = false;

/* Both get their sizes from user space; emit.bpf.h says which of them a record goes to. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} spilled SEC(".maps");

#endif
