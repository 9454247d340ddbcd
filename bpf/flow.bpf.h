/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Addresses, ports and network namespace of full sockets, minisocks and request socks, which all
 * begin with a struct sock_common. v4-mapped IPv6 becomes IPv4. */
#ifndef TCPDWELL_FLOW_BPF_H
#define TCPDWELL_FLOW_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "tcpdwell/wire.h"

static __always_inline bool is_v4_mapped(const __u32 *addr)
{
	return addr[0] == 0 && addr[1] == 0 && addr[2] == bpf_htonl(0xffff);
}

static __always_inline void set_ipv4(struct tcpdwell_flow *flow, __u32 local, __u32 remote)
{
	flow->family = TCPDWELL_FAMILY_IPV4;
	__builtin_memcpy(flow->local, &local, sizeof(local));
	__builtin_memcpy(flow->remote, &remote, sizeof(remote));
}

/* Check both addresses: the local one of a v4-mapped connection may still be unset, and a v6
 * listener bound to a mapped address has no remote one. */
static __always_inline void set_ipv6(struct tcpdwell_flow *flow, const struct in6_addr *local,
				     const struct in6_addr *remote)
{
	flow->family = TCPDWELL_FAMILY_IPV6;
	__builtin_memcpy(flow->local, local, sizeof(flow->local));
	__builtin_memcpy(flow->remote, remote, sizeof(flow->remote));
	if (is_v4_mapped((const __u32 *)flow->remote) || is_v4_mapped((const __u32 *)flow->local)) {
		set_ipv4(flow, ((const __u32 *)flow->local)[3], ((const __u32 *)flow->remote)[3]);
		__builtin_memset(flow->local + 4, 0, 12);
		__builtin_memset(flow->remote + 4, 0, 12);
	}
}

/* `skc` is a BTF pointer: plain loads. */
static __always_inline void load_flow(struct tcpdwell_flow *flow, const struct sock_common *skc)
{
	const struct net *net = skc->skc_net.net;

	flow->netns_cookie = net->net_cookie;
	flow->netns_inum = net->ns.inum;
	flow->remote_port = bpf_ntohs(skc->skc_dport);
	flow->local_port = skc->skc_num;
	flow->has_device = 1;
	flow->device = skc->skc_bound_dev_if;
	if (skc->skc_family == AF_INET6_) {
		struct in6_addr local = skc->skc_v6_rcv_saddr;
		struct in6_addr remote = skc->skc_v6_daddr;

		set_ipv6(flow, &local, &remote);
	} else {
		set_ipv4(flow, skc->skc_rcv_saddr, skc->skc_daddr);
	}
}

/* inet_sport is the port on the wire; the kernel clears skc_num of an auto-bound socket before its
 * last transition. `fresh`: the socket leaves TCP_CLOSE, where a reused one still has the
 * inet_sport of its previous life. */
static __always_inline void fill_flow(struct tcpdwell_flow *flow, const struct sock *sk,
				      const struct tcp_sock *tp, bool fresh)
{
	load_flow(flow, &sk->__sk_common);
	if (!flow->local_port && !fresh)
		flow->local_port = bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport);
}

/* The same with probe reads, for a plain address. */
static __always_inline void probe_flow(struct tcpdwell_flow *flow, const struct sock_common *skc)
{
	const struct net *net = BPF_CORE_READ(skc, skc_net.net);

	flow->netns_cookie = BPF_CORE_READ(net, net_cookie);
	flow->netns_inum = BPF_CORE_READ(net, ns.inum);
	flow->remote_port = bpf_ntohs(BPF_CORE_READ(skc, skc_dport));
	flow->local_port = BPF_CORE_READ(skc, skc_num);
	flow->has_device = 1;
	flow->device = BPF_CORE_READ(skc, skc_bound_dev_if);
	if (BPF_CORE_READ(skc, skc_family) == AF_INET6_) {
		struct in6_addr local = BPF_CORE_READ(skc, skc_v6_rcv_saddr);
		struct in6_addr remote = BPF_CORE_READ(skc, skc_v6_daddr);

		set_ipv6(flow, &local, &remote);
	} else {
		set_ipv4(flow, BPF_CORE_READ(skc, skc_rcv_saddr), BPF_CORE_READ(skc, skc_daddr));
	}
}

#endif
