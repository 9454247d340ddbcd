/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The current task. Call it only where `current` is the one that acts on the socket: in softirq it
 * is whoever was interrupted. */
#ifndef TCPDWELL_TASK_BPF_H
#define TCPDWELL_TASK_BPF_H

#define MAX_PIDNS_LEVEL 32 /* MAX_PID_NS_LEVEL of the kernel */

/* `pid` as the tracer's pid namespace has it; 0: it is not visible there. */
static __always_inline __u32 visible_number(const struct pid *pid)
{
	__u32 level = BPF_CORE_READ(pid, level);

	for (__u32 i = 0; i <= MAX_PIDNS_LEVEL; i++) {
		struct upid upid;

		if (i > level)
			break;
		bpf_core_read(&upid, sizeof(upid), &pid->numbers[i]);
		if (BPF_CORE_READ(upid.ns, ns.inum) == tracer_pidns)
			return upid.nr;
	}
	return 0;
}

/* The thread group id. */
static __always_inline __u32 visible_pid(const struct task_struct *task)
{
	if (!tracer_pidns)
		return BPF_CORE_READ(task, tgid);
	return visible_number(BPF_CORE_READ(task, group_leader, thread_pid));
}

static __always_inline __u32 visible_tid(const struct task_struct *task)
{
	if (!tracer_pidns)
		return BPF_CORE_READ(task, pid);
	return visible_number(BPF_CORE_READ(task, thread_pid));
}

/* `leader->comm`: /proc/PID/comm, not the name of one thread. */
static __always_inline void fill_task(struct tcpdwell_task *out)
{
	const struct task_struct *task = bpf_get_current_task_btf();

	out->cgroup_id = bpf_get_current_cgroup_id();
	out->pid = visible_pid(task);
	out->uid = bpf_get_current_uid_gid();
	BPF_CORE_READ_INTO(&out->comm, task, group_leader, comm);
}

#endif
