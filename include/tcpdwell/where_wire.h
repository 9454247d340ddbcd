/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The contract between bpf/where.bpf.c, bpf/stacks.bpf.c and user space: registers and stacks of
 * threads. These records never enter a recording: recordings have stacks with names. */
#ifndef TCPDWELL_WHERE_WIRE_H
#define TCPDWELL_WHERE_WIRE_H

#include "tcpdwell/wire.h"

/* By their DWARF numbers: on x86-64 rax rdx rcx rbx rsi rdi rbp rsp r8 to r15 and the return address
 * (rip), on arm64 x0 to x30 and sp. */
#define TCPDWELL_REGISTERS 33

struct tcpdwell_registers {
	__u64 pc;
	__u64 value[TCPDWELL_REGISTERS];
};

/* A thread that waits in the kernel. */
struct tcpdwell_blocked {
	struct tcpdwell_flow
		flow; /* of the socket that args[0] is a descriptor of; family 0: none */
	struct tcpdwell_registers registers;
	__u64 switches;	      /* nvcsw + nivcsw */
	__u64 thread_pointer; /* x86-64: fsbase; else 0 */
	__u64 args[2];	      /* of the system call */
	__s64 call;	      /* number of the system call; -1: none */
	__u32 pid, tid;	      /* in the tracer's pid namespace */
	__u8 waits;	      /* 0: it runs, or is ready to */
	__u8 is_native;	      /* 0: a 32-bit process */
	__u8 pad[6];
	char comm[16];
};
TCPDWELL_ASSERT(sizeof(struct tcpdwell_blocked) % 8 == 0);

/* When the stack was read. */
enum tcpdwell_moment {
	TCPDWELL_OPENED = 1,   /* connect(), or the accept() that returned the socket */
	TCPDWELL_FIN_CONSUMED, /* the first receive that consumed the FIN; it returned data, too */
	TCPDWELL_EOF_READ,     /* the first receive that returned the end of stream */
	TCPDWELL_EXECUTED,     /* execve() succeeded: no stack, and no socket */
};

/* What the walk through the interpreter's frames found. */
enum tcpdwell_python_walk {
	TCPDWELL_PYTHON_NONE, /* no layout is known for this process */
	TCPDWELL_PYTHON_WHOLE,
	TCPDWELL_PYTHON_TRUNCATED, /* frames further out could not be read */
	TCPDWELL_PYTHON_NO_THREAD, /* it does not know this thread, or several interpreters run in it */
};

#define TCPDWELL_PYTHON_FRAMES 48
#define TCPDWELL_STACK_PAGE 4096
#define TCPDWELL_STACK_PAGES 5
#define TCPDWELL_STACK_BYTES (TCPDWELL_STACK_PAGES * TCPDWELL_STACK_PAGE)

/* Where an interpreter keeps its threads and frames: PythonLayout (user/where/python_layout.h). */
struct tcpdwell_python {
	__u64 runtime; /* address of _PyRuntime */
	__u32 interpreters, next_interpreter, threads, next_thread, native_thread_id, thread_id;
	__u32 frame_holder, frame_in_holder; /* the latter: TCPDWELL_NO_OFFSET if there is none */
	__u32 code, previous, instruction, owner;
	__u32 file, qualified_name, lines, first_line;
	__u32 first_owner_without_code, bytes_size, bytes, pad;
};
TCPDWELL_ASSERT(sizeof(struct tcpdwell_python) == 88);
#define TCPDWELL_NO_OFFSET 0xffffffffU

/* A frame, with fields of its code object: an object that is read later has the same, or it is
 * another one. */
struct tcpdwell_python_frame {
	__u64 code, instruction;
	__u64 file, qualified_name, lines;
	__u32 first_line, lines_sum; /* the latter of tcpdwell_lines_sum() */
};
TCPDWELL_ASSERT(sizeof(struct tcpdwell_python_frame) == 48);

#define TCPDWELL_LINES_WORDS 8

/* Of the begin of a table of lines, padded with zeros, and its whole size: another table may have
 * its address later. */
static inline __attribute__((always_inline)) __u32 tcpdwell_lines_sum(__u64 size,
								      const __u64 *words)
{
	__u64 sum = size;

	for (int i = 0; i < TCPDWELL_LINES_WORDS; i++) {
		sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15ULL;
		sum ^= sum >> 32;
	}
	return sum & 0xffffffffU;
}

/* The begin of each record in the ring. A record of a moment that is only this is over the budget. */
struct tcpdwell_stack_head {
	__u64 at_ns;
	__u64 cookie;	       /* of the socket */
	__u64 started;	       /* of the process: its begin, since boot */
	__u64 exec_id;	       /* counts its execve() */
	__u64 stack_begin;     /* of its memory: random at each execve() */
	__u64 mapping_changes; /* of its memory: a count; 0: not known */
	__u64 thread_pointer;  /* x86-64: fsbase; else 0 */
	__u32 pid, tid;	       /* in the tracer's pid namespace */
	__u32 stack_bytes;
	__u8 moment;
	__u8 is_native;	    /* 0: a 32-bit process */
	__u8 python;	    /* enum tcpdwell_python_walk */
	__u8 python_frames; /* how many */
};
TCPDWELL_ASSERT(sizeof(struct tcpdwell_stack_head) == 72);

struct tcpdwell_stack {
	struct tcpdwell_stack_head head;
	struct tcpdwell_registers registers;
	/* Entries and bytes beyond those counted in `head` are not written. */
	struct tcpdwell_python_frame python[TCPDWELL_PYTHON_FRAMES];
	__u8 stack[TCPDWELL_STACK_BYTES];
};
TCPDWELL_ASSERT(sizeof(struct tcpdwell_stack) % 8 == 0);

#endif
