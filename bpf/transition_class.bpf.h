/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Classifies a transition: whether the current task made it, and what else to record. */
#ifndef TCPDWELL_TRANSITION_CLASS_BPF_H
#define TCPDWELL_TRANSITION_CLASS_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "core_compat.bpf.h"
#include "mptcp.bpf.h"
#include "tcpdwell/wire.h"

/* Properties of a transition in addition to enum tcpdwell_transition_flags. */
enum transition_class {
	FROM_CLOSE = 1 << 8,
	DISCONNECTED = 1 << 9, /* ends while a process holds the socket, which can be reused */
	CHILD_MADE = 1 << 10,
	CHILD_FAILED = 1 << 11,
	LISTEN_FAILED = 1 << 12
};

/* Properties of the socket that decide, in addition to the flags. */
enum socket_bits {
	SYN_DATA_ACKED = 1 << 8,
	SHUT_BOTH_WAYS = 1 << 9,
	HAS_ERROR = 1 << 10,
	OF_KERNEL = 1 << 11,	 /* a listener */
	LISTEN_REFUSED = 1 << 12 /* to TCP_CLOSE: never hashed as a listener */
};

static __always_inline __u32 socket_bits_of(const struct sock *sk, const struct tcp_sock *tp,
					    int to)
{
	const struct socket *socket = sk->sk_socket;
	__u32 bits = 0;

	if (sk->__sk_common.skc_flags & (1UL << SOCK_DEAD))
		bits |= TCPDWELL_DEAD;
	if (socket) {
		const struct file *file = socket->file;

		bits |= TCPDWELL_ATTACHED;
		if (file && to != TCP_ESTABLISHED && file_is_dead(file))
			bits |= TCPDWELL_CLOSING;
	}
	if (BPF_CORE_READ_BITFIELD(tp, is_mptcp)) {
		bits |= TCPDWELL_MPTCP;
		if (to == TCP_LISTEN && is_of_kernel(tp))
			bits |= OF_KERNEL;
	}
	if (BPF_CORE_READ_BITFIELD(tp, syn_data_acked))
		bits |= SYN_DATA_ACKED;
	if (sk->sk_shutdown == 3)
		bits |= SHUT_BOTH_WAYS;
	if (sk->sk_err)
		bits |= HAS_ERROR;
	/* Hashing a listener sets SOCK_RCU_FREE; nothing clears it. */
	if (to == TCP_CLOSE && bpf_core_enum_value_exists(enum sock_flags, SOCK_RCU_FREE) &&
	    !(sk->__sk_common.skc_flags &
	      (1UL << bpf_core_enum_value(enum sock_flags, SOCK_RCU_FREE))))
		bits |= LISTEN_REFUSED;
	return bits;
}

/* Transitions that only a system call makes, so that `current` is the process. In all others
 * `current` is the task that the packet interrupted. A kernel thread, in which MPTCP closes
 * subflows, does not count. */
static __always_inline bool made_by_task(int from, int to, __u32 bits)
{
	if (bits & TCPDWELL_MPTCP && from != TCP_CLOSE && from != TCP_LISTEN)
		return false;
	if (bits & OF_KERNEL)
		return false;
	switch (to) {
	case TCP_SYN_SENT:
	case TCP_LISTEN:
		return from == TCP_CLOSE;
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
		return true;
	case TCP_FIN_WAIT2:
		return from == TCP_FIN_WAIT2; /* close() after shutdown() */
	case TCP_CLOSE:
		if (from == TCP_LISTEN)
			return true;
		return (bits & TCPDWELL_CLOSING) && !(bits & TCPDWELL_DEAD) &&
		       !(bits & HAS_ERROR) && (bits & SHUT_BOTH_WAYS) &&
		       (from == TCP_ESTABLISHED || from == TCP_CLOSE_WAIT || from == TCP_SYN_SENT ||
			from == TCP_SYN_RECV);
	}
	return false;
}

static __always_inline __u8 task_flags(int from, int to, __u32 bits)
{
	__u32 task = bpf_get_current_task_btf()->flags;
	__u8 exiting = task & PF_EXITING_ ? TCPDWELL_EXITING : 0;

	if (made_by_task(from, to, bits))
		return (task & PF_KTHREAD_ ? 0 : TCPDWELL_TASK) | exiting;
	/* The close of the listener ends a child that was not accepted. */
	if (from == TCP_CLOSE_WAIT && to == TCP_CLOSE && !(bits & TCPDWELL_ATTACHED) &&
	    !(bits & HAS_ERROR))
		return exiting;
	return 0;
}

/* Everything that depends on the transition alone. The verifier checks a global function once and
 * takes its result as an unknown number, so its paths do not multiply with those of the callers. It
 * takes no socket: kernels before 6.8 do not accept such a pointer as its argument. */
__noinline __u32 transition_class_of(int from, int to, __u32 bits)
{
	__u32 class = bits & 0xff;

	class |= task_flags(from, to, bits);
	if (from == TCP_SYN_RECV && (bits & (SYN_DATA_ACKED | TCPDWELL_ATTACHED)))
		class |= TCPDWELL_FASTOPEN;
	if (from == TCP_CLOSE)
		class |= FROM_CLOSE;
	if (from == TCP_LISTEN && to == TCP_SYN_RECV)
		class |= CHILD_MADE;
	if (to != TCP_CLOSE)
		return class;
	class |= TCPDWELL_TALLY;
	if (from == TCP_SYN_RECV)
		class |= CHILD_FAILED;
	if (from == TCP_LISTEN && bits & LISTEN_REFUSED && !(bits & SHUT_BOTH_WAYS))
		return class | LISTEN_FAILED; /* does not count as a life */
	if (!(bits & (TCPDWELL_DEAD | TCPDWELL_CLOSING)))
		class |= DISCONNECTED;
	return class;
}

#endif
