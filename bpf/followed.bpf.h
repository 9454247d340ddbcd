/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Which tasks `run` follows. follow.bpf.h hands the mark on; stacks.bpf.c shares the map. */
#ifndef TCPDWELL_FOLLOWED_BPF_H
#define TCPDWELL_FOLLOWED_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

/* User space marks the command itself, by its pidfd, before exec. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u8);
} followed_tasks SEC(".maps");

/* The mark of the group leader decides: io_uring worker threads do not pass through fork. Every
 * thread is marked all the same: a thread that calls exec becomes the leader, and the mark of the
 * old leader is freed. */
static __always_inline bool is_followed_task(struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;

	return leader && bpf_task_storage_get(&followed_tasks, leader, NULL, 0);
}

#endif
