/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Request socks (half-open connections). They make no transitions; their SYN-ACK timer shows their
 * begin, retransmits and end. */
#ifndef TCPDWELL_REQUEST_BPF_H
#define TCPDWELL_REQUEST_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "core_compat.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "set_state.bpf.h"
#include "stack.bpf.h"
#include "tcpdwell/wire.h"

#define SAME_CALL_NS 100000

/* Whether a request ended because it became a child, as most do. MAY_BE_CHILD: the child has no
 * flow (before 6.18) or no addresses (v4-mapped) to compare. */
enum kinship {
	NO_CHILD,
	MAY_BE_CHILD,
	IS_CHILD
};

static __always_inline bool same_flow(const struct tcpdwell_flow *a, const struct tcpdwell_flow *b)
{
	const __u64 *x = (const void *)a, *y = (const void *)b;
	__u64 differ = 0;

	for (__u32 i = 0; i < sizeof(*a) / sizeof(*x); i++)
		differ |= x[i] ^ y[i];
	return !differ;
}

static __always_inline enum kinship became_child(const struct tcpdwell_flow *flow)
{
	struct child *child = last_child();
	enum kinship kinship = NO_CHILD;

	if (!child || !child->at)
		return NO_CHILD;
	if (bpf_ktime_get_ns() - child->at >= SAME_CALL_NS)
		kinship = NO_CHILD;
	else if (same_flow(&child->flow, flow))
		kinship = IS_CHILD;
	else if (!child->flow.remote_port || child->flow.remote_port == flow->remote_port)
		kinship = MAY_BE_CHILD;
	child->at = 0;
	return kinship;
}

static __always_inline bool is_listening(const struct sock *sk)
{
	/* skc_listener is in a union: the verifier does not know its type */
	return READ(TYPED(struct sock, sk), __sk_common.skc_state) == TCP_LISTEN;
}

static __always_inline void emit_request(void *ctx, const struct request_sock *req, __u8 op)
{
	struct tcpdwell_flow flow = {};
	enum kinship kinship = NO_CHILD;
	struct tcpdwell_request *out;

	LOAD_FLOW(&flow, &req->__req_common);
	if (!flow_passes(&flow))
		return;
	if (op == TCPDWELL_CANCEL)
		kinship = became_child(&flow);
	if (kinship == IS_CHILD)
		return; /* the transitions of the child report it */
	out = reserve(sizeof(*out), TCPDWELL_REQUEST, op);
	if (!out)
		return;
	out->object = (__u64)req;
	out->cookie = READ(req, __req_common.skc_cookie.counter);
	out->flow = flow;
	out->retransmits = READ(req, num_retrans);
	out->listener_closed = !is_listening(READ(req, __req_common.skc_listener));
	if (op == TCPDWELL_CANCEL && kinship == NO_CHILD)
		out->canceller = canceller_on_stack(ctx);
	submit(out);
}

#endif
