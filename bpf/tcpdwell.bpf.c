// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The kernel side of tcpdwell: writes every transition of a TCP connection to a ring buffer. It
 * only filters; user space assembles the lifecycle (user/lifecycle/lifecycle.h).
 *
 * set_state.bpf.h has the main tracepoint. minisock.bpf.h and request.bpf.h cover the states
 * that it does not show: TIME_WAIT, FIN_WAIT_2 of orphans, half-open connections. The timer
 * programs run under the raw lock of the timer base with interrupts off: do not allocate, free
 * through RCU or touch a timer there. Use ring buffers and preallocated arrays, not task or
 * socket storage.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

/* clang-format off: the order of the programs in the object */
#include "config.bpf.h"
#include "core_compat.bpf.h"
#include "emit.bpf.h"
#include "flow.bpf.h"
#include "filter.bpf.h"
#include "task.bpf.h"
#include "follow.bpf.h"
#include "mptcp.bpf.h"
#include "transition_class.bpf.h"
#include "set_state.bpf.h"
#include "stack.bpf.h"
#include "minisock.bpf.h"
#include "request.bpf.h"
#include "timer.bpf.h"
#include "reset.bpf.h"
#include "accept.bpf.h"
#include "snapshot.bpf.h"
#include "accept_queue.bpf.h"
#include "holders.bpf.h"
#include "dead.bpf.h"
#include "netns_refs.bpf.h"
/* clang-format on */

char LICENSE[] SEC("license") = "Dual BSD/GPL";
