/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The current task. Use it only if `current` acts on the socket: in softirq, `current` is the
 * interrupted task. */
#ifndef TCPDWELL_TASK_BPF_H
#define TCPDWELL_TASK_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "tcpdwell/wire.h"

#define MAX_PIDNS_LEVEL 32 /* MAX_PID_NS_LEVEL of the kernel */

/* The tracer's pid namespace and its level, set at the first process found in it. The namespace
 * lives as long as the tracer. */
struct {
	const struct pid_namespace *ns;
	__u32 level;
} own_pidns = {};

static __always_inline __u32 find_number(const struct pid *pid)
{
	__u32 level = BPF_CORE_READ(pid, level);

	for (__u32 i = 0; i <= MAX_PIDNS_LEVEL; i++) {
		struct upid upid;

		if (i > level)
			break;
		bpf_core_read(&upid, sizeof(upid), &pid->numbers[i]);
		if (BPF_CORE_READ(upid.ns, ns.inum) == tracer_pidns) {
			own_pidns.level = i;
			own_pidns.ns = upid.ns;
			return upid.nr;
		}
	}
	return 0;
}

/* The number of `pid` in the tracer's pid namespace; 0: not visible there. */
static __always_inline __u32 visible_number(const struct pid *pid)
{
	const struct pid_namespace *ns = own_pidns.ns;
	__u32 level = own_pidns.level;
	struct upid upid;

	if (ns && level <= pid->level && level <= MAX_PIDNS_LEVEL &&
	    !bpf_core_read(&upid, sizeof(upid), &pid->numbers[level]) && upid.ns == ns)
		return upid.nr;
	return find_number(pid);
}

/* The thread group id. */
static __always_inline __u32 visible_pid(const struct task_struct *task)
{
	if (!tracer_pidns)
		return task->tgid;
	return visible_number(task->group_leader->thread_pid);
}

static __always_inline __u32 visible_tid(const struct task_struct *task)
{
	if (!tracer_pidns)
		return task->pid;
	return visible_number(task->thread_pid);
}

/* Uses the comm of the group leader, as /proc/PID/comm does. */
static __always_inline void fill_task(struct tcpdwell_task *out, const struct task_struct *task)
{
	const __u64 *comm = (const void *)&task->group_leader->comm;
	__u64 *out_comm = (__u64 *)out->comm;

	out->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	out->pid = visible_pid(task);
	out->uid = task->cred->uid.val;
	out_comm[0] = comm[0];
	out_comm[1] = comm[1];
}

/* fill_task() of `current`. A global function, so that the verifier checks it once and not on each
 * path: every pointer read from a trusted pointer costs it a search through all names of the
 * kernel's types. Such loads are the cheapest at run time, though, and this runs often. */
__noinline int fill_current_task(struct tcpdwell_task *out)
{
	if (out)
		fill_task(out, bpf_get_current_task_btf());
	return 0;
}

#endif
