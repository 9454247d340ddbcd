/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* RSTs that this host sends: without them, a received RST and data after close() look alike
 * (ECONNRESET). And SYN retransmits, which show the local port of a slow connect(). */
#ifndef TCPDWELL_RESET_BPF_H
#define TCPDWELL_RESET_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "config.bpf.h"
#include "core_compat.bpf.h"
#include "emit.bpf.h"
#include "filter.bpf.h"
#include "flow.bpf.h"
#include "tcpdwell/wire.h"

static __always_inline bool is_full_tcp(const struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;

	return state != TCP_TIME_WAIT && state != TCP_NEW_SYN_RECV &&
	       sk->sk_protocol == IPPROTO_TCP;
}

static __always_inline int emit_reset(struct sock *sk, __u8 op)
{
	struct tcpdwell_reset *out;
	const struct net *net;
	__u64 cookie;

	if (!sk || !is_full_tcp(sk))
		return 0; /* since 6.10 `sk` can be NULL or a minisock */
	net = TYPED(struct sock, sk)->__sk_common.skc_net.net;
	if (!netns_passes(net->ns.inum, net->net_cookie))
		return 0;
	cookie = bpf_get_socket_cookie(sk);
	out = reserve(sizeof(*out), TCPDWELL_RESET, op);
	if (!out)
		return 0;
	out->cookie = cookie;
	out->state = sk->__sk_common.skc_state;
	submit(out);
	return 0;
}

/* Since 6.10 the reason is a third argument. */
SEC("?tp_btf/tcp_send_reset")
int BPF_PROG(on_send_reset_reason, struct sock *sk, struct sk_buff *skb, __u32 reason)
{
	return emit_reset(sk, rst_reason_memory && reason == rst_reason_memory
				      ? TCPDWELL_RESET_MEMORY
				      : TCPDWELL_RESET_SENT);
}

SEC("?tp_btf/tcp_send_reset")
int BPF_PROG(on_send_reset, struct sock *sk, struct sk_buff *skb)
{
	return emit_reset(sk, TCPDWELL_RESET_SENT);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(on_retransmit, struct sock *sk)
{
	struct tcpdwell_flow flow = {};
	struct tcpdwell_syn *out;
	struct tcp_sock *tp;
	__u64 cookie;

	if (sk->__sk_common.skc_state != TCP_SYN_SENT)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	fill_flow(&flow, (const void *)tp, tp, false);
	if (!flow_passes(&flow))
		return 0;
	cookie = bpf_get_socket_cookie(sk);
	out = reserve(sizeof(*out), TCPDWELL_SYN, 0);
	if (!out)
		return 0;
	out->cookie = cookie;
	out->flow = flow;
	submit(out);
	return 0;
}

#endif
