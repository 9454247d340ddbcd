/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Request socks (half-open connections). They have no transitions: their SYN-ACK timer shows when
 * one begins, is retransmitted, and ends. */
#ifndef TCPDWELL_REQUEST_BPF_H
#define TCPDWELL_REQUEST_BPF_H

#define SAME_CALL_NS 100000

/* Nearly every request ends in a child, which was made just before on this CPU. */
static __always_inline bool became_child(void)
{
	__u64 *at = child_made_at();
	bool yes = at && *at && bpf_ktime_get_ns() - *at < SAME_CALL_NS;

	if (yes)
		*at = 0;
	return yes;
}

static __always_inline bool is_listening(const struct sock *sk, bool typed)
{
	if (typed) /* a field of a union: the kernel does not know its type */
		sk = TYPED(struct sock, sk);
	return READ(typed, sk, __sk_common.skc_state) == TCP_LISTEN;
}

static __always_inline void emit_request(void *ctx, const struct request_sock *req, __u8 op,
					 bool typed)
{
	struct tcpdwell_flow flow = {};
	struct tcpdwell_request *out;

	if (typed)
		load_flow(&flow, &req->__req_common);
	else
		probe_flow(&flow, &req->__req_common);
	if (!flow_passes(&flow))
		return;
	out = reserve(sizeof(*out), TCPDWELL_REQUEST, op);
	if (!out)
		return;
	out->object = (__u64)req;
	out->cookie = READ(typed, req, __req_common.skc_cookie.counter);
	out->flow = flow;
	out->retransmits = READ(typed, req, num_retrans);
	out->listener_closed = !is_listening(READ(typed, req, __req_common.skc_listener), typed);
	if (op == TCPDWELL_CANCEL && !became_child())
		out->canceller = canceller_on_stack(ctx);
	submit(out);
}

#endif
