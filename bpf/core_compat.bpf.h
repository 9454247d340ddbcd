/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Differences between kernels. Each names the version after which it can be deleted. */
#ifndef TCPDWELL_CORE_COMPAT_BPF_H
#define TCPDWELL_CORE_COMPAT_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* 6.13 replaced the plain counter of struct file by file_ref_t, whose top bit is set when
 * the last reference is gone. Delete the old one when the oldest kernel we support is 6.13. */
struct file___before_6_13 {
	atomic_long_t f_count;
} __attribute__((preserve_access_index));

static __always_inline bool file_is_dead(const struct file *file)
{
	if (bpf_core_field_exists(file->f_ref))
		return (__s64)file->f_ref.refcnt.counter < 0;
	return ((const struct file___before_6_13 *)file)->f_count.counter == 0;
}

/* 6.18 moved a namespace's type (CLONE_NEW*) from its operations to itself. Delete the old one when
 * the oldest kernel we support is 6.18. */
struct proc_ns_operations___before_6_18 {
	int type;
} __attribute__((preserve_access_index));

static __always_inline __u32 namespace_type(const struct ns_common *ns)
{
	const struct proc_ns_operations___before_6_18 *ops;

	if (bpf_core_field_exists(ns->ns_type))
		return BPF_CORE_READ(ns, ns_type);
	ops = (const void *)BPF_CORE_READ(ns, ops);
	return BPF_CORE_READ(ops, type);
}

/* 6.4 made a counter of the changes of a process's mappings, for its locks of single mappings, and
 * 6.13 made it a seqcount. 0: a kernel without them, where the mappings may have changed. Delete the
 * int when the oldest kernel we support is 6.13. */
struct mm_struct___before_6_13 {
	int mm_lock_seq;
} __attribute__((preserve_access_index));

struct seqcount___mappings {
	unsigned int sequence;
} __attribute__((preserve_access_index));

struct mm_struct___mappings {
	struct seqcount___mappings mm_lock_seq;
} __attribute__((preserve_access_index));

static __always_inline __u32 mapping_changes(const void *mm)
{
	const struct mm_struct___before_6_13 *older = mm;
	const struct mm_struct___mappings *newer = mm;

	if (bpf_core_field_exists(newer->mm_lock_seq.sequence))
		return BPF_CORE_READ(newer, mm_lock_seq.sequence);
	if (bpf_core_field_exists(older->mm_lock_seq))
		return BPF_CORE_READ(older, mm_lock_seq);
	return 0;
}

/* Since 6.2, bpf_rdonly_cast() turns an address into a BTF pointer, whose fields are plain loads.
 * Before, each field is a probe read. If the kernel lacks the kfunc, libbpf searches the BTF of
 * every module, even for a weak symbol; that needs CAP_SYS_ADMIN. Hence two builds. Delete
 * TCPDWELL_PROBED when the oldest kernel we support is 6.2. */
#ifdef TCPDWELL_PROBED
#define TYPED(type, address) ((const type *)(address))
#define READ(object, field) BPF_CORE_READ(object, field)
#define LOAD_FLOW probe_flow
#else
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym;

#define TYPED(type, address) ((const type *)bpf_rdonly_cast(address, bpf_core_type_id_kernel(type)))
#define READ(object, field) ((object)->field)
#define LOAD_FLOW load_flow
#endif

/* tw_entry_stamp exists since 6.14. 0: unknown. Read the field when the oldest kernel is 6.14. */
static __always_inline __u32 tw_entry_stamp(const struct inet_timewait_sock *tw)
{
	return bpf_core_field_exists(tw->tw_entry_stamp) ? READ(tw, tw_entry_stamp) : 0;
}

static __always_inline __u32 probe_tw_entry_stamp(const struct inet_timewait_sock *tw)
{
	return bpf_core_field_exists(tw->tw_entry_stamp) ? BPF_CORE_READ(tw, tw_entry_stamp) : 0;
}

/* Since 6.7 a route can make TCP timestamps and retrans_stamp count microseconds. */
static __always_inline bool stamps_in_usec(const struct tcp_sock *tp)
{
	return bpf_core_field_exists(tp->tcp_usec_ts) && BPF_CORE_READ_BITFIELD(tp, tcp_usec_ts);
}

#endif
