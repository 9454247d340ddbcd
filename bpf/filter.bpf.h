/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Drops events that user space would drop. Unknown values (a port not yet chosen, the address of a
 * disconnected socket) pass: never less than was asked for. */
#ifndef TCPDWELL_FILTER_BPF_H
#define TCPDWELL_FILTER_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "config.bpf.h"
#include "tcpdwell/wire.h"

static __always_inline bool port_in(const volatile __u16 *list, __u32 count, __u16 port)
{
	for (__u32 i = 0; i < TCPDWELL_MAX_PORTS; i++) {
		if (i >= count)
			break;
		if (list[i] == port)
			return true;
	}
	return false;
}

static __always_inline bool is_zero(const __u8 *addr)
{
	const __u64 *half = (const __u64 *)addr;

	return !(half[0] | half[1]);
}

static __always_inline bool cidr_has(const volatile struct tcpdwell_cidr *cidr, const __u8 *addr)
{
	const volatile __u64 *want = (const volatile __u64 *)cidr->addr;
	const volatile __u64 *mask = (const volatile __u64 *)cidr->mask;
	const __u64 *have = (const __u64 *)addr;

	return (have[0] & mask[0]) == want[0] && (have[1] & mask[1]) == want[1];
}

static __always_inline bool addr_matches(const struct tcpdwell_flow *flow)
{
	if (is_zero(flow->local) || is_zero(flow->remote))
		return true; /* unknown, or a listener: user space decides */
	for (__u32 i = 0; i < TCPDWELL_MAX_CIDRS; i++) {
		if (i >= filter.cidrs)
			break;
		if (filter.cidr[i].family != flow->family)
			continue;
		if (cidr_has(&filter.cidr[i], flow->local) ||
		    cidr_has(&filter.cidr[i], flow->remote))
			return true;
	}
	return false;
}

/* The inode number of a namespace is reused, its cookie never. User space sets the cookie shortly
 * after it attaches the programs. */
static __always_inline bool netns_passes(__u32 netns_inum, __u64 netns_cookie)
{
	if (!filters || !filter.netns_inum)
		return true;
	return filter.netns_inum == netns_inum &&
	       (!shared.netns_cookie || shared.netns_cookie == netns_cookie);
}

static __always_inline bool flow_passes(const struct tcpdwell_flow *flow)
{
	bool known = flow->local_port && flow->remote_port;

	if (!filters)
		return true;
	if (!netns_passes(flow->netns_inum, flow->netns_cookie))
		return false;
	if (filter.family && known && filter.family != flow->family)
		return false;
	if (filter.local_ports && flow->local_port &&
	    !port_in(filter.local_port, filter.local_ports, flow->local_port))
		return false;
	if (filter.remote_ports && flow->remote_port &&
	    !port_in(filter.remote_port, filter.remote_ports, flow->remote_port))
		return false;
	if (filter.ports && known && !port_in(filter.port, filter.ports, flow->local_port) &&
	    !port_in(filter.port, filter.ports, flow->remote_port))
		return false;
	return !filter.cidrs || addr_matches(flow);
}

/* A connection whose flow was unknown at first had to pass. The first transition with the known
 * flow passes, too, so that user space can drop the connection. */
static __always_inline bool transition_passes(const struct tcpdwell_flow *flow, int from)
{
	if (flow_passes(flow))
		return true;
	if (!netns_passes(flow->netns_inum, flow->netns_cookie))
		return false;
	if (from == TCP_SYN_SENT)
		return filter.ports || filter.local_ports;
	/* A v4-mapped child has no addresses yet at its first transition. */
	return from == TCP_SYN_RECV && (shared.children_late || filter.family || filter.cidrs);
}

#endif
