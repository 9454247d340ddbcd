/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The contract between the BPF programs and user space: every ring record, the counters and the
 * configuration. Records are native-endian, zeroed before they are filled, and have a version;
 * assertions below check their sizes and key offsets.
 *
 * Times are CLOCK_MONOTONIC nanoseconds. Ports are in host order, 0 if the kernel has none (yet, or
 * no longer). Addresses are in network order; IPv4, also when v4-mapped, uses the first 4 bytes.
 * An `object` is a kernel address, used as a key only: it is reused as soon as the object is freed.
 */
#ifndef TCPDWELL_WIRE_H
#define TCPDWELL_WIRE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#ifdef __cplusplus
#define TCPDWELL_ASSERT(cond) static_assert(cond, "layout changed: append, and bump the version")
#else
#define TCPDWELL_ASSERT(cond) _Static_assert(cond, "layout changed: append, and bump the version")
#endif

/* Raised with each change. Records of older versions stay readable: fields are only appended. */
#define TCPDWELL_WIRE_VERSION 1
#define TCPDWELL_COMM_LEN 16
#define TCPDWELL_MAX_PORTS 16 /* of one port filter */
#define TCPDWELL_MAX_CIDRS 16
#define TCPDWELL_MAX_RANGES 12
#define TCPDWELL_FAMILY_IPV4 2
#define TCPDWELL_FAMILY_IPV6 10

enum tcpdwell_kind {
	TCPDWELL_TRANSITION = 1, /* inet_sock_set_state of a full socket */
	TCPDWELL_TIMEWAIT,     /* a minisock (inet_timewait_sock): its timer, or a segment for it */
	TCPDWELL_REQUEST,      /* a request sock (half-open connection): its timer */
	TCPDWELL_ACCEPT,       /* a process got a socket from accept() */
	TCPDWELL_RESET,	       /* an RST was sent for a full socket */
	TCPDWELL_SYN,	       /* a SYN was retransmitted: the local port is known */
	TCPDWELL_SNAPSHOT,     /* a socket found by a walk through a network namespace */
	TCPDWELL_MPTCP_CHANGE, /* inet_sock_set_state of a connected MPTCP socket */
	TCPDWELL_RELEASE = 16, /* the last descriptor of a connection that was over is closed */
	TCPDWELL_EXIT,	       /* a process of the command exits */
};

struct tcpdwell_head {
	__u64 at_ns;
	__u16 version;
	__u8 kind; /* enum tcpdwell_kind */
	__u8 op;   /* of the kind; 0: it has none */
	__u32 cpu;
};

struct tcpdwell_flow {
	__u8 local[16];
	__u8 remote[16];
	__u64 netns_cookie; /* net->net_cookie: never reused, unlike the inode number */
	__u32 netns_inum;
	__u16 local_port;
	__u16 remote_port;
	__u16 family;	  /* TCPDWELL_FAMILY_*, after v4-mapped became IPv4 */
	__u16 has_device; /* 0: a record of an older version, without a device */
	__u32 device;	  /* bound interface (SO_BINDTODEVICE, or link-local scope); 0: none */
};

/* The process of an event, if `current` caused it. */
struct tcpdwell_task {
	__u64 cgroup_id; /* cgroup v2 id of the task */
	__u32 pid;	 /* thread group id in the tracer's pid namespace, 0: not visible there */
	__u32 uid;	 /* in the initial user namespace */
	char comm[TCPDWELL_COMM_LEN]; /* of the thread group leader */
};

enum tcpdwell_transition_flags {
	TCPDWELL_DEAD = 1 << 0,	    /* SOCK_DEAD: orphaned, no process holds a descriptor */
	TCPDWELL_ATTACHED = 1 << 1, /* has a struct socket, from accept() or socket() */
	TCPDWELL_CLOSING = 1 << 2,  /* close() of the last descriptor, not shutdown() */
	TCPDWELL_EXITING = 1 << 3,  /* ... because the process ends (PF_EXITING) */
	TCPDWELL_TASK = 1 << 4,	    /* the record has a task */
	TCPDWELL_TALLY = 1 << 5,    /* the record has a tally */
	TCPDWELL_MPTCP = 1 << 6,    /* an MPTCP subflow: closed by kernel threads */
	TCPDWELL_FASTOPEN = 1 << 7, /* a TCP Fast Open child: SYN_RECV began with the SYN */
};

enum tcpdwell_more_flags {
	TCPDWELL_UNACKED = 1 << 0,     /* the peer has not acknowledged all that was written */
	TCPDWELL_FOLLOWED = 1 << 1,    /* `run`: made by its processes or by their listeners */
	TCPDWELL_BY_FOLLOWED = 1 << 2, /* `run`: the task of this record is one of its processes */
	TCPDWELL_SENT = 1 << 3,	       /* `run`: from CLOSE_WAIT, in which it sent data */
	/* To TCP_CLOSE only: */
	TCPDWELL_SILENT = 1 << 6,      /* no segment was sent in this life */
	TCPDWELL_TIMESTAMPED = 1 << 7, /* the peer sent TCP timestamps */
};

/* Rare properties. An older version left this byte 0. */
enum tcpdwell_rare_flags {
	TCPDWELL_REPAIR = 1 << 0,	 /* TCP_REPAIR is on: connect() and close() send nothing */
	TCPDWELL_FINS_DONE = 1 << 1,	 /* to TCP_CLOSE: a FIN came, and ours is acknowledged */
	TCPDWELL_LISTEN_UNSURE = 1 << 2, /* to TCP_LISTEN: listen() can still fail or bind */
	TCPDWELL_LISTEN_FAILED = 1 << 3, /* from TCP_LISTEN: listen() failed */
	TCPDWELL_MAY_BE_KILLED = 1 << 4, /* from TCP_LISTEN: shutdown(), or half a SOCK_DESTROY */
};

struct tcpdwell_transition {
	struct tcpdwell_head head; /* op: SYNs (SYN-ACKs) sent, to TCP_ESTABLISHED; 0: unknown */
	__u64 object;
	__u64 cookie;
	struct tcpdwell_flow flow;
	__u64 sock_cgroup_id; /* of the socket: the creator's; a child has its listener's */
	__u32 life;	      /* number of earlier lives, counted by us */
	__u16 err;	      /* sk_err */
	__u8 from, to;	      /* TCP_* of net/tcp_states.h */
	__u8 shutdown;	      /* sk_shutdown: 1 receive, 2 send */
	__u8 flags;	      /* enum tcpdwell_transition_flags */
	__u8 more_flags;      /* enum tcpdwell_more_flags */
	__u8 rare_flags;      /* enum tcpdwell_rare_flags */
	__u32 receive_queue;  /* rcv_nxt - copied_seq; a FIN counts 1 */
};

/* Counters of struct tcp_sock, read at the end of a full socket. */
struct tcpdwell_tally {
	__u64 bytes_sent;     /* payload, with retransmissions: as `ss -i` says it */
	__u64 bytes_received; /* payload in order; the FIN's sequence number is taken off */
	__u32 retransmits;
	__u32 srtt_us; /* 0: no sample */
};

/* A transition has one of three sizes. Without TCPDWELL_TASK it can still have room for a task. */
struct tcpdwell_transition_task {
	struct tcpdwell_transition base;
	struct tcpdwell_task task;
};
struct tcpdwell_transition_end {
	struct tcpdwell_transition base;
	struct tcpdwell_task task;
	struct tcpdwell_tally tally;
};

/* op of TCPDWELL_TIMEWAIT and TCPDWELL_REQUEST */
enum tcpdwell_timer_op {
	TCPDWELL_START = 1,
	TCPDWELL_CANCEL, /* alone without meaning: a re-arm and an expiry begin with it, too */
	TCPDWELL_EXPIRE,
	TCPDWELL_SEGMENT, /* TIMEWAIT only: a segment (re)started the 60 s; substate is current */
};

/* What cancelled the timer of a minisock or a request early, from the call stack. */
enum tcpdwell_canceller {
	TCPDWELL_BY_UNKNOWN,
	TCPDWELL_BY_SEGMENT, /* tcp_timewait_state_process: an RST, or a re-arm */
	TCPDWELL_BY_RECEIVE, /* tcp_v4_rcv, tcp_v6_rcv: SYN, RST or data; request: RST, late ACK */
	TCPDWELL_BY_CONNECT, /* __inet_check_established: reused by an outgoing connection */
	TCPDWELL_BY_ABORT,   /* tcp_abort: SOCK_DESTROY */
	TCPDWELL_BY_NETNS,   /* inet_twsk_purge */
};

struct tcpdwell_timewait {
	struct tcpdwell_head head;
	__u64 object;
	__u64 cookie; /* 0: the full socket had no cookie */
	struct tcpdwell_flow flow;
	__s32 left_jiffies;   /* until the timer is due; negative: overdue */
	__u32 entry_stamp_ms; /* tw_entry_stamp, low 32 bits of CLOCK_MONOTONIC in ms; 0: unknown */
	__u8 substate;	      /* TCP_FIN_WAIT2 or TCP_TIME_WAIT */
	__u8 canceller;	      /* enum tcpdwell_canceller */
	__u8 pad[6];
};

struct tcpdwell_request {
	struct tcpdwell_head head;
	__u64 object;
	__u64 cookie; /* nearly always 0 */
	struct tcpdwell_flow flow;
	__u8 retransmits;     /* of the SYN-ACK */
	__u8 listener_closed; /* the listener is no longer in LISTEN */
	__u8 canceller;	      /* enum tcpdwell_canceller */
	__u8 pad[5];
};

/* op of TCPDWELL_ACCEPT */
enum tcpdwell_accept_op {
	TCPDWELL_ACCEPTED = 1,
	TCPDWELL_ACCEPTED_FOLLOWED, /* `run`: by one of its processes */
};

struct tcpdwell_accept {
	struct tcpdwell_head head;
	__u64 object;
	__u64 cookie;
	struct tcpdwell_task task;
};

/* op of TCPDWELL_RESET */
enum tcpdwell_reset_op {
	TCPDWELL_RESET_SENT = 1,
	TCPDWELL_RESET_MEMORY, /* SK_RST_REASON_TCP_ABORT_ON_MEMORY: tcp_max_orphans or tcp_mem */
};

struct tcpdwell_reset {
	struct tcpdwell_head head;
	__u64 cookie;
	__u8 state; /* of the socket, when it was sent */
	__u8 pad[7];
};

struct tcpdwell_syn {
	struct tcpdwell_head head;
	__u64 cookie;
	struct tcpdwell_flow flow;
};

/* op of TCPDWELL_RELEASE */
enum tcpdwell_release_op {
	TCPDWELL_RELEASED = 1,
	TCPDWELL_RELEASED_BY_EXIT, /* only by the exit of the task */
};

struct tcpdwell_release {
	struct tcpdwell_head head;
	__u64 cookie;
	__u64 active_ns;	   /* as in tcpdwell_dead */
	struct tcpdwell_task task; /* that closed it */
	__u32 by_followed;	   /* that task belongs to the command */
	__u32 unread;		   /* as in tcpdwell_dead */
};

struct tcpdwell_exit {
	struct tcpdwell_head head;
	__u32 pid; /* thread group id, as in tcpdwell_task */
	__u32 pad;
};

/* op of TCPDWELL_SNAPSHOT */
enum tcpdwell_socket_kind {
	TCPDWELL_FULL = 1,
	TCPDWELL_MINISOCK,
	TCPDWELL_REQUEST_SOCK,
};

#define TCPDWELL_NEVER 0xffffffff /* of a time ago */

enum tcpdwell_snapshot_flags {
	TCPDWELL_IS_DEAD = 1 << 0,     /* as TCPDWELL_DEAD, TCPDWELL_ATTACHED */
	TCPDWELL_IS_ATTACHED = 1 << 1, /* ... */
	TCPDWELL_TIMESTAMPS = 1 << 2,  /* a minisock whose connection has TCP timestamps */
	TCPDWELL_STAMPS = 1 << 3,      /* the record has stamps */
	TCPDWELL_IS_MPTCP = 1 << 6,    /* an MPTCP subflow */
	TCPDWELL_PORT_BOUND = 1 << 7,  /* its port was bound explicitly: connect() skips it */
};

struct tcpdwell_snapshot {
	struct tcpdwell_head head;
	__u64 object;
	__u64 cookie; /* 0: a minisock or a request without a cookie */
	struct tcpdwell_flow flow;
	__u64 sock_cgroup_id;
	__u64 syn_ns; /* a request: when its SYN came */
	/* A full socket: jiffies since it last received an acknowledgment, received data, sent
	 * data. */
	__u32 acked_ago, received_ago, sent_ago;
	__s32 left_jiffies;   /* a minisock: as in tcpdwell_timewait */
	__u32 entry_stamp_ms; /* ... */
	__u8 state;	      /* TCP_*; of a minisock its substate */
	__u8 flags;	      /* enum tcpdwell_snapshot_flags */
	__u8 pad[2];
};

#define TCPDWELL_NO_JIFFIES 0x7fffffffffffffffLL /* of a time ago in 64 bits: never */

enum tcpdwell_stamp_flags {
	TCPDWELL_USEC_TS = 1 << 0,	  /* retrans_stamp counts us, not ms */
	TCPDWELL_QUICKACK_ROUTE = 1 << 1, /* its route acknowledges everything at once */
	TCPDWELL_DEFERRED_SYN = 1 << 2,	  /* TCP_FASTOPEN_CONNECT: the first data brings the SYN */
};

/* Stamps of a full socket that bound the begin of its state (user/lifecycle/state_begin.h). */
struct tcpdwell_stamps {
	__u64 delivered_us; /* delivered_mstamp, first_tx_mstamp: CLOCK_MONOTONIC in us; 0: never */
	__u64 first_sent_us; /* ... */
	__s64 delack_ago;    /* jiffies since the timer of delayed ACKs was due; negative: until */
	__u32 retrans_stamp; /* the low 32 bits of CLOCK_MONOTONIC in ms or us; 0: never */
	__u32 unacked;	     /* write_seq - snd_una; a SYN or FIN counts 1 */
	__u32 unsent;	     /* write_seq - snd_nxt */
	__u8 flags;	     /* enum tcpdwell_stamp_flags */
	__u8 pad[3];
};

/* With TCPDWELL_STAMPS. */
struct tcpdwell_snapshot_full {
	struct tcpdwell_snapshot base;
	struct tcpdwell_stamps stamps;
};

enum tcpdwell_mptcp_flags {
	TCPDWELL_MPTCP_IS_DEAD = 1 << 0,     /* as TCPDWELL_DEAD, TCPDWELL_ATTACHED */
	TCPDWELL_MPTCP_IS_ATTACHED = 1 << 1, /* ... */
	TCPDWELL_MPTCP_UNREAD = 1 << 2,	     /* there are unread bytes */
	TCPDWELL_MPTCP_UNCOUNTED = 1 << 3,   /* ... of an unknown number */
	TCPDWELL_MPTCP_EXITING = 1 << 4,     /* a change: as TCPDWELL_EXITING */
};

/* An MPTCP socket. */
struct tcpdwell_mptcp {
	__u64 object;
	__u64 subflow; /* address of the TCP socket that represents it; 0: none */
	__u64 cookie;  /* of that socket; 0: none */
	__u64 unread;
	__u64 unsent;
	/* Of its subflows the latest: as in tcpdwell_snapshot. */
	__u32 acked_ago, received_ago, sent_ago;
	__u32 subflows; /* that are open */
	__u8 state;	/* TCP_* */
	__u8 shutdown;	/* sk_shutdown */
	__u8 flags;	/* enum tcpdwell_mptcp_flags */
	__u8 pad[5];
};

struct tcpdwell_mptcp_change {
	struct tcpdwell_head head;
	struct tcpdwell_mptcp mptcp; /* before the change */
	__u8 to;		     /* TCP_* */
	__u8 pad[7];
};

/* tcpdwell_shared.phase: the number of the phase, and above it, in an odd phase, the low bits of
 * the second ring's producer position when that phase began. */
#define TCPDWELL_PHASE_BITS 16
#define TCPDWELL_PHASE_MASK 0xffffULL

/* Shared by both sides, in .bss. User space writes only `wakeup` (set before it sleeps; the next
 * record clears it and wakes it) and the even values of `phase`. */
struct tcpdwell_shared {
	/* A cache line that every event reads and that is rarely written. */
	__u32 wakeup;
	__u32 children_late; /* a child has no flow at its first transition (before 6.18) */
	__u64 phase;	     /* even: records go to the first ring; odd: to the second */
	__u64 netns_cookie;  /* of filter.netns_inum; 0: unknown */
	__u64 pad[5];
	/* Written by every event that finds no room. */
	__u64 lost_events;	/* a full ring; with lost_transitions */
	__u64 lost_transitions; /* of inet_sock_set_state */
	/* Rarely written: transitions that came while the program ran on that CPU. The kernel
	 * counts them as missed by the main program, but the backup program saw them. */
	__u64 nested_transitions;
	__u64 pad_end[5];
} __attribute__((aligned(64)));

struct tcpdwell_cidr {
	__u8 addr[16];
	__u8 mask[16];
	__u16 family;
	__u16 pad[3];
};

/* Events that the kernel side can drop, because user space would. Empty lists match everything. */
struct tcpdwell_filter {
	__u32 netns_inum;			       /* 0: any */
	__u16 family;				       /* TCPDWELL_FAMILY_*, 0: any */
	__u16 cidrs, ports, local_ports, remote_ports; /* how many of each */
	__u16 pad;
	__u16 port[TCPDWELL_MAX_PORTS]; /* either side */
	__u16 local_port[TCPDWELL_MAX_PORTS];
	__u16 remote_port[TCPDWELL_MAX_PORTS];
	struct tcpdwell_cidr cidr[TCPDWELL_MAX_CIDRS]; /* either side */
};

/* The text of a kernel function: a return address in [begin, end) means it is on the stack. */
struct tcpdwell_range {
	__u64 begin, end;
	__u64 canceller; /* enum tcpdwell_canceller */
};

TCPDWELL_ASSERT(sizeof(struct tcpdwell_head) == 16);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_flow) == 56);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_task) == 32);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_tally) == 24);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_transition) == 112);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_transition_task) == 144);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_transition_end) == 168);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_timewait) == 104);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_request) == 96);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_accept) == 64);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_reset) == 32);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_syn) == 80);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_snapshot) == 128);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_stamps) == 40);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_snapshot_full) == 168);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_mptcp) == 64);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_mptcp_change) == 88);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_release) == 72);
TCPDWELL_ASSERT(sizeof(struct tcpdwell_exit) == 24);
TCPDWELL_ASSERT(__builtin_offsetof(struct tcpdwell_flow, local_port) == 44);
TCPDWELL_ASSERT(__builtin_offsetof(struct tcpdwell_flow, device) == 52);
TCPDWELL_ASSERT(__builtin_offsetof(struct tcpdwell_transition, flow) == 32);
TCPDWELL_ASSERT(__builtin_offsetof(struct tcpdwell_transition, from) == 102);
TCPDWELL_ASSERT(__builtin_offsetof(struct tcpdwell_timewait, substate) == 96);

#include "tcpdwell/wire_walks.h"

#endif
