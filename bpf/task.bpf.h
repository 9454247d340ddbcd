/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The current task. Call it only where `current` is the one that acts on the socket: in softirq it
 * is whoever was interrupted. */
#ifndef TCPDWELL_TASK_BPF_H
#define TCPDWELL_TASK_BPF_H

#define MAX_PIDNS_LEVEL 32 /* MAX_PID_NS_LEVEL of the kernel */

/* The tracer's pid namespace and how deep it lies, once a process in it was seen. It lives as long
 * as the tracer does. */
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

/* `pid` as the tracer's pid namespace has it; 0: it is not visible there. */
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

/* `leader->comm`: /proc/PID/comm, not the name of one thread. */
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

/* The current one. A global function is verified once, not on each of the many ways that lead to it:
 * of what is trusted, as `current` is, every pointer costs the verifier a search through all names of
 * the kernel's types. But a load from it is the cheapest there is, and this runs often. */
__noinline int fill_current_task(struct tcpdwell_task *out)
{
	if (out)
		fill_task(out, bpf_get_current_task_btf());
	return 0;
}

#endif
