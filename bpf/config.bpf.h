/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Variables that user space sets before it loads (.rodata) or attaches (.data.addresses) the
 * programs, variables that both sides share (.bss), and the rings. */
#ifndef TCPDWELL_CONFIG_BPF_H
#define TCPDWELL_CONFIG_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "tcpdwell/wire.h"

#define AF_INET_ 2
#define AF_INET6_ 10
#define PF_EXITING_ 0x00000004
#define PF_KTHREAD_ 0x00200000
#define STACK_DEPTH 14

/* Kernel addresses. User space looks them up while the programs load. It refuses to attach while
 * one is 0, which would match nothing in silence. */
__u64 tw_timer_fn SEC(".data.addresses") = 0;
__u64 reqsk_timer_fn SEC(".data.addresses") = 0;
struct tcpdwell_range ranges[TCPDWELL_MAX_RANGES] SEC(".data.addresses") = {};

/* Inode of the tracer's pid namespace; 0: the initial one, where a tgid needs no translation. */
const volatile __u32 tracer_pidns = 0;

/* The tracer's thread group id in that namespace. */
const volatile __u32 tracer_pid = 0;

/* Argument counts of two functions on this kernel; they give the offset of the result in ctx. */
const volatile __u32 accept_args = 0;
const volatile __u32 io_uring_complete_args = 0;

/* enum sk_rst_reason's SK_RST_REASON_TCP_ABORT_ON_MEMORY; its number varies. 0: none on this
 * kernel */
const volatile __u32 rst_reason_memory = 0;

/* `run`: mark its processes and sockets */
const volatile bool follows = false;

/* Snapshots: the states to report (1 << TCP_*), and the bytes in each ring above which to pause. */
const volatile __u32 snapshot_states = ~0U;
const volatile __u64 snapshot_limit = 0;
const volatile __u64 snapshot_limit_spilled = 0;

/* Holders: report only sockets whose cookie has this pass in `query_set`; 0: report all */
__u32 query_pass = 0;
__u32 holders_ends = 0; /* also report connections at the ends in `wanted_ends` */

/* Accept queues: a walk reports children queued up to the cutoff, counts younger ones and keeps the
 * earliest time of those, and counts listeners. */
__u64 queue_cutoff_us = 0;
__u32 queue_lengths_only = 0; /* not the connections in the queues */
__u64 queue_next_us = 0;      /* 0: no child is younger */
__u64 queue_young = 0;
__u32 queue_listeners = 0;
__u32 queues_over = 0; /* the walk has visited all listeners */

/* Whether `filter` restricts anything. Constant at load: if not, the verifier removes the
 * comparisons. */
const volatile bool filters = false;
const volatile struct tcpdwell_filter filter = {};

struct tcpdwell_shared shared = {};

/* Whether `spilled` is in use. Constant at load. */
const volatile bool spills = false;

/* User space sets both sizes. emit.bpf.h chooses the ring of a record. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 21);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
} spilled SEC(".maps");

#endif
