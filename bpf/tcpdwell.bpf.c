// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * The kernel side of tcpdwell: sees every change of a TCP connection's state and writes it to a
 * ring buffer. It decides nothing but what is not worth sending; the lifecycle is put together in
 * user space (user/lifecycle/lifecycle.h).
 *
 * set_state.bpf.h is the backbone. minisock.bpf.h and request.bpf.h show what that tracepoint
 * cannot: TIME_WAIT, an orphan's FIN_WAIT_2, half-open connections. The timer programs run under
 * the timer base's raw lock with interrupts off: nothing there may allocate, free through RCU, or
 * touch a timer. Ring buffer and preallocated arrays are fine, task and socket storage are not.
 */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "tcpdwell/wire.h"

/* clang-format off: each needs what stands above it */
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

char LICENSE[] SEC("license") = "Dual BSD/GPL";
