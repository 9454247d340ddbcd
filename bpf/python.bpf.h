/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The Python frames of the current thread, as they are at this moment: when user space could read
 * them, the thread has gone on. The memory is untrusted: all lists are bounded. */
#ifndef TCPDWELL_PYTHON_BPF_H
#define TCPDWELL_PYTHON_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "task.bpf.h"
#include "tcpdwell/where_wire.h"

#define MOST_PYTHON_THREADS 512
#define MOST_PYTHON_STEPS 96 /* frames, with those that have no code of the program */

/* By pid in the tracer's pid namespace. A pid that is reused, or a process that executes another
 * program, does no harm: then no thread is found. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 12);
	__type(key, __u32);
	__type(value, struct tcpdwell_python);
} python_processes SEC(".maps");

static __always_inline __u64 user_word(__u64 at)
{
	__u64 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (const void *)at);
	return word;
}

/* The thread's id in its own pid namespace. */
static __always_inline __u64 own_tid(const struct task_struct *task)
{
	const struct pid *pid = task->thread_pid;
	__u32 level = BPF_CORE_READ(pid, level);
	struct upid upid = {};

	bpf_core_read(&upid, sizeof(upid), &pid->numbers[level & (MAX_PIDNS_LEVEL - 1)]);
	return upid.nr;
}

/* The innermost frame of this thread of an interpreter; 0: it runs nothing. */
static __always_inline __u64 innermost_frame(const struct tcpdwell_python *python, __u64 thread)
{
	__u64 frame = user_word(thread + python->frame_holder);
	__u8 owner = 0;

	if (frame && python->frame_in_holder != TCPDWELL_NO_OFFSET)
		frame = user_word(frame + python->frame_in_holder);
	if (!frame)
		return 0;
	/* Since 3.14 an idle thread has one frame without code. */
	bpf_probe_read_user(&owner, sizeof(owner), (const void *)(frame + python->owner));
	if (owner >= python->first_owner_without_code && !user_word(frame + python->previous))
		return 0;
	return frame;
}

/* The current thread does not hold the interpreter's lock in connect() and recv(): the thread that
 * the interpreter calls the current one is another one. Sub-interpreters follow in one list of
 * threads after the other, and several can know a thread. If several run in it, one inside the
 * other, nothing shows which one is the innermost. Returns the innermost frame, or 0; sets `walk` if
 * that is right. */
static __always_inline __u64 find_python_frame(__u8 *walk, const struct tcpdwell_python *python,
					       __u64 thread_pointer, __u64 tid)
{
	__u64 found = 0;
	__u64 interpreter = user_word(python->runtime + python->interpreters);
	__u64 offset = thread_pointer ? python->thread_id : python->native_thread_id;
	__u64 wanted = thread_pointer ? thread_pointer : tid;
	__u64 thread = interpreter ? user_word(interpreter + python->threads) : 0;

	for (int i = 0; i < MOST_PYTHON_THREADS && interpreter; i++) {
		if (!thread) {
			interpreter = user_word(interpreter + python->next_interpreter);
			thread = interpreter ? user_word(interpreter + python->threads) : 0;
			continue;
		}
		if (user_word(thread + offset) == wanted) {
			__u64 frame = innermost_frame(python, thread);

			*walk = TCPDWELL_PYTHON_WHOLE;
			if (frame && found) {
				*walk = TCPDWELL_PYTHON_NO_THREAD;
				return 0;
			}
			if (frame) {
				found = frame;
				thread = 0; /* on to the next interpreter */
				continue;
			}
		}
		thread = user_word(thread + python->next_thread);
	}
	if (interpreter && !found)
		*walk = TCPDWELL_PYTHON_NO_THREAD; /* there are more threads */
	return found;
}

static __always_inline __u32 lines_sum_of(const struct tcpdwell_python *python, __u64 lines)
{
	__u64 words[TCPDWELL_LINES_WORDS] = {};
	__u64 whole = user_word(lines + python->bytes_size);
	__u32 size = whole < sizeof(words) ? whole : sizeof(words);

	asm volatile("" : "+r"(size)); /* the bound stays next to the call */
	if (size <= sizeof(words))
		bpf_probe_read_user(words, size, (const void *)(lines + python->bytes));
	return tcpdwell_lines_sum(whole, words);
}

static __always_inline bool read_python_frame(struct tcpdwell_python_frame *out, __u64 frame,
					      const struct tcpdwell_python *python)
{
	__u64 code = user_word(frame + python->code) & ~7ULL; /* without the tag of a reference */

	out->code = code;
	out->instruction = user_word(frame + python->instruction);
	out->file = user_word(code + python->file);
	out->qualified_name = user_word(code + python->qualified_name);
	out->lines = user_word(code + python->lines);
	out->first_line = 0;
	out->lines_sum = lines_sum_of(python, out->lines);
	bpf_probe_read_user(&out->first_line, sizeof(out->first_line),
			    (const void *)(code + python->first_line));
	return code && out->instruction;
}

/* A global function: the verifier checks it once. */
__noinline int walk_python(struct tcpdwell_stack *out, const struct tcpdwell_python *python)
{
	/* Read from memory each time, of which the verifier knows no values: it would check every
	 * combination of both counters. */
	volatile __u8 *count;
	__u64 frame;

	if (!out || !python)
		return 0;
	count = &out->head.python_frames;
	out->head.python = TCPDWELL_PYTHON_NO_THREAD;
	frame = find_python_frame(&out->head.python, python, out->head.thread_pointer,
				  own_tid(bpf_get_current_task_btf()));
	if (out->head.python == TCPDWELL_PYTHON_NO_THREAD)
		return 0;
	for (int i = 0; i < MOST_PYTHON_STEPS && frame; i++) {
		__u8 owner = 0xff;

		if (bpf_probe_read_user(&owner, sizeof(owner),
					(const void *)(frame + python->owner)))
			break;
		if (owner < python->first_owner_without_code) {
			__u8 at = *count;

			if (at >= TCPDWELL_PYTHON_FRAMES ||
			    !read_python_frame(&out->python[at], frame, python))
				break;
			*count = at + 1;
		}
		frame = user_word(frame + python->previous);
	}
	out->head.python = frame ? TCPDWELL_PYTHON_TRUNCATED : TCPDWELL_PYTHON_WHOLE;
	return 0;
}

/* The child of a fork has the memory of its parent. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork_of_python, struct task_struct *parent, struct task_struct *child)
{
	__u32 pid = visible_pid(parent);
	struct tcpdwell_python *known;

	if (child->pid != child->tgid || !pid)
		return 0;
	known = bpf_map_lookup_elem(&python_processes, &pid);
	if (!known)
		return 0;
	pid = visible_pid(child);
	if (pid)
		bpf_map_update_elem(&python_processes, &pid, known, BPF_ANY);
	return 0;
}

#endif
