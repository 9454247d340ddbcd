// SPDX-License-Identifier: Apache-2.0
// The input of the lifecycle table: decoded kernel records (include/tcpdwell/wire.h documents their
// fields) and events of user space. A live run, a replay and a unit test differ only in their
// source.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/process_facts.h"
#include "model/suspend_event.h"
#include "model/transition_event.h"
#include "model/types.h"

namespace tcpdwell {

// A descriptor of a process that holds a socket open.
struct Holder {
  Process process;
  std::int32_t fd = -1;
  char state = 0;         // of the process, as in /proc/PID/stat; 0: not known
  bool followed = false;  // `run`: the process belongs to the command
};

// One descriptor found in a walk through all processes.
struct Holding {
  std::uint64_t cookie = 0;
  Holder holder;
};

// The other end of a connection, if it is a socket of this host.
struct OtherEnd {
  Process process;  // its holder; pid 0: none is visible
  std::int32_t fd = -1;
  State state = State::Closed;
  std::uint32_t receive_queue = 0;  // as in InquiryEvent
};

// What unacknowledged bytes wait for, from the socket's pending timer.
enum class SendWait : std::uint8_t {
  None,         // for an acknowledgment, or not known
  Retransmit,   // an acknowledgment is overdue
  WindowProbe,  // the peer's receive window is closed
};

enum class TimerOp : std::uint8_t { Start = 1, Cancel, Expire, Segment };
enum class Canceller : std::uint8_t { Unknown, Segment, Receive, Connect, Abort, Netns };

struct TimewaitEvent {
  Nanos at{};
  std::uint32_t cpu = 0;
  TimerOp op = TimerOp::Start;
  std::uint64_t object = 0;
  std::uint64_t cookie = 0;
  Flow flow;
  std::int32_t left_jiffies = 0;
  std::uint32_t entry_stamp_ms = 0;
  State substate = State::TimeWait;  // FinWait2 or TimeWait
  Canceller canceller = Canceller::Unknown;
};

struct RequestEvent {
  Nanos at{};
  std::uint32_t cpu = 0;
  TimerOp op = TimerOp::Start;
  std::uint64_t object = 0;
  std::uint64_t cookie = 0;
  Flow flow;
  std::uint8_t retransmits = 0;
  bool listener_closed = false;
  Canceller canceller = Canceller::Unknown;
};

struct AcceptEvent {
  Nanos at{};
  std::uint64_t object = 0;
  std::uint64_t cookie = 0;
  Process task;
  bool followed = false;
};

struct ResetEvent {
  Nanos at{};
  std::uint32_t cpu = 0;
  std::uint64_t cookie = 0;
  State state = State::Closed;
  bool memory = false;  // tcp_max_orphans or tcp_mem
};

struct SynEvent {
  Nanos at{};
  std::uint64_t cookie = 0;
  Flow flow;
};

enum class LossCause : std::uint8_t { RingFull, Recursion, Damaged };
std::string_view name(LossCause cause);

// How many events the kernel dropped since the previous LossEvent.
struct LossEvent {
  Nanos at{};
  LossCause cause = LossCause::RingFull;
  std::uint64_t events = 0;
  std::uint64_t transitions = 0;  // of `events`: transitions of inet_sock_set_state
  std::uint64_t at_most = 0;      // further events that may have been missed
  bool counted = true;            // false: events were lost; the next LossEvent says how many
};

// CLOCK_REALTIME - CLOCK_MONOTONIC from now on.
struct ClockEvent {
  Nanos at{};
  Nanos offset{};
};

// The path of a cgroup, from the helper thread; empty: the cgroup is gone.
struct CgroupEvent {
  Nanos at{};
  std::uint64_t id = 0;
  std::string path;
};

// A range of ports; `last`: included.
struct PortSpan {
  static constexpr std::size_t kMost = 6'000;  // in one list of a NamespaceEvent
  std::uint16_t first = 0, last = 0;
  bool operator==(const PortSpan&) const = default;
};

// The ports that connect() may choose in a network namespace (ip_local_port_range). 0: the sysctl
// could not be read.
struct NamespaceEvent {
  Nanos at{};
  std::uint64_t netns_cookie = 0;
  std::uint16_t port_low = 0, port_high = 0;  // high: included
  std::uint32_t reserved_ports = 0;           // how many of the range ip_local_reserved_ports has
  // Sorted, within the range. `bound`: by listeners and by bound sockets that are not connected.
  std::vector<PortSpan> reserved, bound;
  std::optional<std::uint8_t> tw_reuse;  // tcp_tw_reuse; nullopt: not known
  std::uint32_t tw_reuse_delay_ms = 1000;
  bool operator==(const NamespaceEvent&) const = default;
};

enum class SocketKind : std::uint8_t { Full = 1, Minisock, Request };

// Time stamps that a full socket keeps beside the three ages of SnapshotEvent. Records of older
// versions lack them.
struct SocketStamps {
  static constexpr std::int64_t kNever = INT64_MAX;
  Nanos delivered{}, first_sent{};   // delivered_mstamp, first_tx_mstamp; 0: never
  std::int64_t delack_ago = kNever;  // jiffies; negative: so many are left
  std::uint32_t retrans_stamp = 0;   // the low 32 bits of a time in ms, or in us; 0: never
  std::uint32_t unacked = 0;         // write_seq - snd_una; a SYN or FIN counts 1
  bool known = false;
  bool all_sent = false;  // snd_nxt == write_seq: all data was sent at least once
  bool usec_ts = false;   // retrans_stamp counts us
  bool quickack_route = false;
  bool deferred_syn = false;
};

// A socket that a walk through one network namespace found. A full socket is read, and its record
// queued, under the socket's lock; a minisock or request sock while its timer is pending. So events
// before this record in the stream happened before the read, and events behind it after the read.
struct SnapshotEvent {
  Nanos at{};
  SocketKind kind = SocketKind::Full;
  std::uint64_t object = 0;
  std::uint64_t cookie = 0;  // 0: a minisock or request sock without a cookie
  Flow flow;
  State state = State::Closed;
  bool attached = false;    // a full socket with a struct socket
  bool dead = false;        // a full socket with SOCK_DEAD: no process holds it
  bool mptcp = false;       // a full socket that is an MPTCP subflow
  bool port_bound = false;  // its port was bound explicitly: connect() does not choose that port
  std::uint64_t sock_cgroup_id = 0;
  // A full socket: jiffies since the last acknowledgment came, data came, data was sent; nullopt:
  // never.
  std::optional<std::uint32_t> acked_ago, received_ago, sent_ago;
  SocketStamps stamps;
  Nanos syn_at{};  // a request sock: when its SYN came
  // A minisock
  std::int32_t left_jiffies = 0;
  std::uint32_t entry_stamp_ms = 0;
  bool timestamps = false;
};

// The kernel's answer about a socket whose flag is due.
enum class Presence : std::uint8_t {
  Unknown,  // the query failed
  Gone,
  Present,
};

// What the two applications have exchanged: without unacknowledged data, SYN and FIN. The kernel
// counts the SYN of a client as a byte that was sent.
struct ByteCounts {
  std::uint64_t sent = 0, received = 0;
  bool operator==(const ByteCounts&) const = default;
};

struct InquiryEvent {
  Nanos at{};                                        // when the kernel was queried
  std::uint32_t id = 0, generation = 0, serial = 0;  // of the Question
  Presence presence = Presence::Unknown;
  SocketKind kind = SocketKind::Full;
  State state = State::Closed;
  std::uint64_t cookie = 0;  // the socket's cookie at that time; 0: none
  Endpoint local;
  bool attached = false;            // a full socket with a struct socket
  std::uint32_t receive_queue = 0;  // a full socket: rcv_nxt - copied_seq; a FIN counts 1
  std::uint32_t send_queue = 0;     // a full socket: write_seq - snd_una; a FIN counts 1
  SendWait send_wait = SendWait::None;
  std::vector<Holder> holders;
  std::optional<ByteCounts> bytes;  // CLOSE_WAIT and FIN_WAIT_2, if a flag is due
  std::optional<OtherEnd> other_end;
  // An ancestor of a holder, if it holds the listener of this port but not this socket.
  std::optional<Process> inherited_from;
};

// The processes that InquiryEvents of the same or an earlier time name, if they still run.
struct ProcessesEvent {
  Nanos at{};
  std::vector<ProcessFacts> processes;
};

// The stack of the thread that opened a socket or read its end of stream. It may come before or
// after the socket's own events.
struct StackEvent {
  Nanos at{};
  std::uint64_t cookie = 0;
  StackMoment moment = StackMoment::Opened;
  NoStack missing = NoStack::None;
  std::uint32_t number = 0;            // of the stack: equal stacks of a run have the same one
  std::shared_ptr<const Stack> stack;  // nullptr: `missing` says why
};

// An MPTCP socket: the socket that the application holds. Its TCP sockets (subflows) belong to the
// kernel.
struct MptcpSocket {
  std::uint64_t object = 0;
  std::uint64_t cookie = 0;  // of the subflow that represents it; 0: none
  State state = State::Closed;
  bool dead = false;                          // SOCK_DEAD: no process holds it
  bool attached = false;                      // it has a struct socket
  bool unread = false;                        // it has unread bytes
  std::optional<std::uint64_t> unread_bytes;  // nullopt: the number is not known
  std::uint64_t unsent_bytes = 0;
  std::uint32_t subflows = 0;  // how many are open
  // As in SnapshotEvent; the latest of all subflows.
  std::optional<std::uint32_t> acked_ago, received_ago, sent_ago;
};

// sock:inet_sock_set_state of an MPTCP socket that was connected.
struct MptcpChangeEvent {
  Nanos at{};
  MptcpSocket socket;  // before the change
  State to = State::Closed;
  bool exiting = false;
};

struct MptcpSubflow {
  Nanos at{};
  std::uint64_t cookie = 0;
  bool stands = false;  // this subflow, and no other, represents the MPTCP socket
  MptcpSocket socket;
};

// Subflows that a walk through sockets found: all, or those that were queried. Subflows that are
// ESTABLISHED like their MPTCP socket are left out.
struct MptcpEvent {
  Nanos at{};
  std::vector<MptcpSubflow> subflows;
};

// The holders of sockets that are older than the trace, in any order.
struct HoldersEvent {
  Nanos at{};
  std::vector<Holding> holdings;
};

// A socket that processes still hold although its connection has ended or connect() failed.
struct DeadSocket {
  std::uint64_t cookie = 0;
  Nanos at{};                   // when the walk read it
  Nanos active{};               // when the connection ended, or a later read of leftover data
  bool active_exact = false;    // `active` is when the connection ended
  bool connect_failed = false;  // it never was connected
  bool mptcp = false;           // an MPTCP socket
  bool uncounted = false;       // an MPTCP socket with unread bytes, number not known
  Flow flow;
  std::uint64_t sock_cgroup_id = 0;
  std::optional<std::uint32_t> received_ago, sent_ago;  // as in SnapshotEvent
  std::uint32_t unread = 0;                             // bytes; without the FIN
  std::uint16_t err = 0;                                // errno that was not fetched yet; 0: none
  std::vector<Holder> holders;
};

// All dead sockets whose holders are visible in our pid namespace.
struct DeadEvent {
  Nanos at{};  // when the walk began
  std::vector<DeadSocket> sockets;
};

// `run`: the last descriptor of a socket was closed, or a packet ended an orphan.
struct ReleaseEvent {
  Nanos at{};
  std::uint64_t cookie = 0;
  Nanos active{};  // as in DeadSocket
  Process task;    // of an orphan: the process that the packet interrupted
  bool by_exit = false;
  bool by_followed = false;
  std::uint32_t unread = 0;
};

// `run`: a process of the command exits. Its open descriptors are closed after this.
struct ExitEvent {
  Nanos at{};
  std::uint32_t pid = 0;
};

// A connection that waits in an accept queue.
struct QueuedChild {
  std::uint64_t cookie = 0;
  Flow flow;
  State state = State::Established;  // Closed: it was reset
  Nanos queued_at{};                 // 0: not known
  std::uint64_t sock_cgroup_id = 0;
  std::uint32_t receive_queue = 0;  // rcv_nxt - copied_seq; a FIN counts 1
  std::uint32_t send_queue = 0;     // write_seq - snd_una
};

// A process and its parent.
struct Parent {
  std::uint32_t pid = 0, parent = 0;
  bool operator==(const Parent&) const = default;
};

// Counters of the whole network namespace (TcpExt of /proc/net/netstat).
struct ListenCounters {
  std::uint64_t overflows = 0;     // ListenOverflows
  std::uint64_t cookies_sent = 0;  // SyncookiesSent
};

// A listener, and the connections that waited in its accept queue for longer than the threshold.
struct ListenQueue {
  std::uint64_t cookie = 0;
  Flow flow;
  std::uint32_t length = 0, backlog = 0;
  std::uint32_t syns_dropped = 0;
  bool whole = true;                 // false: more connections wait that are not listed
  std::vector<QueuedChild> fresh;    // found for the first time
  std::vector<std::uint64_t> known;  // cookies of those that an earlier walk found
  // The rest is read only if `fresh` is not empty.
  bool asked = false;                      // the fields below were read
  std::vector<Holder> holders;             // of the listener
  std::vector<std::uint32_t> accepted;     // pids of processes that hold connections of its port
  std::vector<Parent> parents;             // of the holders, of their parents, and so on
  std::vector<std::uint32_t> polled_by;    // pids of holders that wait for it by epoll
  bool shares_port = false;                // another listener has its address and port, or may have
  std::optional<ListenCounters> counters;  // nullopt: not known
};

// A walk through the accept queues of these network namespaces.
struct AcceptQueuesEvent {
  Nanos at{};  // each listed connection waited at this time, for longer than the threshold
  std::vector<std::uint64_t> namespaces;
  std::vector<std::uint64_t> without_listeners;  // of `namespaces`: without a listener
  std::vector<ListenQueue> queues;
  // Connections not over the threshold yet: how many, and when the first of them was queued.
  std::uint64_t young = 0;
  std::optional<Nanos> next_queued;
};

using Event =
    std::variant<SnapshotEvent, InquiryEvent, HoldersEvent, ProcessesEvent, AcceptQueuesEvent,
                 TransitionEvent, TimewaitEvent, RequestEvent, AcceptEvent, ResetEvent, SynEvent,
                 LossEvent, ClockEvent, SuspendEvent, CgroupEvent, NamespaceEvent, MptcpChangeEvent,
                 MptcpEvent, DeadEvent, ReleaseEvent, ExitEvent, StackEvent>;

}  // namespace tcpdwell
