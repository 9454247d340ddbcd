/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Part of wire.h: records of the iterators, read from their descriptors. */
#ifndef TCPDWELL_WIRE_WALKS_H
#define TCPDWELL_WIRE_WALKS_H

/* A subflow, and the MPTCP socket that it belongs to. */
struct tcpdwell_mptcp_subflow {
	__u64 at_ns;
	__u64 cookie; /* of the subflow */
	struct tcpdwell_mptcp mptcp;
	__u32 stands; /* this is the `subflow` of the MPTCP socket */
	__u32 pad;
};

enum tcpdwell_holding_kind {
	TCPDWELL_HOLDS,	       /* the socket with this cookie */
	TCPDWELL_HOLDS_AT_END, /* a connection at a wanted end; the cookie is the end's number */
};

#define TCPDWELL_MOST_WANTED (1 << 16) /* sockets in one question for holders */

/* A descriptor of a process that is a TCP socket. */
struct tcpdwell_holding {
	__u64 cookie;
	struct tcpdwell_task task;
	__s32 fd;
	__u16 kind;	/* enum tcpdwell_holding_kind */
	__u16 followed; /* `run`: the process belongs to the command */
};

/* The local end of connections whose holders are queried. */
struct tcpdwell_end {
	__u64 netns_cookie;
	__u8 local[16]; /* zeros: any address */
	__u16 port;
	__u16 family; /* TCPDWELL_FAMILY_* */
	__u32 pad;
};

struct tcpdwell_wanted_end {
	__u32 pass; /* the walk that queries it */
	__u32 number;
};

/* A listener whose accept queue is full, or has connections to report. */
struct tcpdwell_listener {
	__u64 cookie;
	struct tcpdwell_flow flow; /* the remote end is zero */
	__u32 length, backlog;	   /* full at backlog + 1 */
	__u32 syns_dropped;	   /* sk_drops */
	__u32 noted;		   /* its connections in `queued` */
	__u32 missed;		   /* its connections that found no room */
	__u8 ipv6, only_ipv6;
	__u8 pad[2];
};

/* A connection in an accept queue. */
struct tcpdwell_queued {
	__u64 listener; /* its cookie */
	struct tcpdwell_flow flow;
	__u64 queued_us; /* CLOCK_MONOTONIC in us, when it was queued; 0: unknown */
	__u64 sock_cgroup_id;
	__u32 receive_queue; /* rcv_nxt - copied_seq; a FIN counts 1 */
	__u32 send_queue;    /* write_seq - snd_una */
	__u8 state;	     /* TCP_* */
	__u8 pad[7];
};

enum tcpdwell_dead_flags {
	TCPDWELL_CONNECT_FAILED = 1 << 0, /* never connected */
	TCPDWELL_ACTIVE_EXACT = 1 << 1,	  /* active_ns is the time of the end */
	TCPDWELL_DEAD_MPTCP = 1 << 2,	  /* an MPTCP socket */
	TCPDWELL_DEAD_UNCOUNTED = 1 << 3, /* there are unread bytes of an unknown number */
};

/* A descriptor of a process whose connection is over. */
struct tcpdwell_dead {
	__u64 cookie;	 /* MPTCP: of the first subflow, or the kernel address if none */
	__u64 at_ns;	 /* time of the walk */
	__u64 active_ns; /* tcp_mstamp: the end, or a later read of leftover data */
	struct tcpdwell_flow flow;
	__u64 sock_cgroup_id;
	struct tcpdwell_task task;
	__s32 fd;
	__u32 received_ago, sent_ago; /* as in tcpdwell_snapshot */
	__u32 unread;		      /* payload; a FIN does not count */
	__u16 err;		      /* sk_err: not read yet */
	__u8 flags;		      /* enum tcpdwell_dead_flags */
	__u8 followed;		      /* as in tcpdwell_holding */
	__u8 pad[4];
};

enum tcpdwell_place_kind {
	TCPDWELL_PLACE_OF_TASK = 1,
	TCPDWELL_PLACE_OF_SOCKET,   /* `fd` of `tid` is a socket in it */
	TCPDWELL_PLACE_OF_FILE,	    /* `fd` of `tid` is the namespace itself */
	TCPDWELL_PLACE_IN_LIST,	    /* in the kernel's list; cannot be entered this way */
	TCPDWELL_PLACE_END_OF_LIST, /* no namespace: the walk is complete */
};

/* A network namespace and a reference to it. */
struct tcpdwell_place {
	__u64 netns_cookie;
	__u32 netns_inum;
	__u32 tid; /* in the tracer's pid namespace */
	__s32 fd;
	__u32 kind; /* enum tcpdwell_place_kind */
};

/* The function that the timer of such a socket calls. */
struct tcpdwell_handler {
	__u64 function;
	__u32 kind; /* TCPDWELL_MINISOCK or TCPDWELL_REQUEST_SOCK */
	__u32 pad;
};

TCPDWELL_ASSERT(sizeof(struct tcpdwell_mptcp_subflow) == 88);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_holding) == 48);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_end) == 32);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_listener) == 88);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_queued) == 96);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_dead) == 144);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_place) == 24);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_handler) == 16);

#endif
