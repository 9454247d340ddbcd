// SPDX-License-Identifier: Apache-2.0
// What the lifecycle table is fed with: the kernel's records, decoded (include/tcpdwell/wire.h says
// what each field is), and what user space itself has to say. A live run, a replay and a unit test
// differ only in where these come from.
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
  bool followed = false;  // `run`: the process is one of the command's
};

// One descriptor found in a walk through all processes.
struct Holding {
  std::uint64_t cookie = 0;
  Holder holder;
};

// The other end of a connection, if it is a socket of this host.
struct OtherEnd {
  Process process;  // that holds it; pid 0: none is seen
  std::int32_t fd = -1;
  State state = State::Closed;
  std::uint32_t receive_queue = 0;  // as in InquiryEvent
};

// What unacknowledged bytes wait for, by the timer that runs.
enum class SendWait : std::uint8_t {
  None,         // for an acknowledgment, or not known
  Retransmit,   // ... that did not come in time
  WindowProbe,  // the peer is there and takes no more
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

// How many events the kernel dropped since the last one of these.
enum class LossCause : std::uint8_t { RingFull, Recursion, Damaged };
std::string_view name(LossCause cause);

struct LossEvent {
  Nanos at{};
  LossCause cause = LossCause::RingFull;
  std::uint64_t events = 0;
  std::uint64_t transitions = 0;  // those of them on inet_sock_set_state
  std::uint64_t at_most = 0;      // further ones that may have been missed
  bool counted = true;            // false: something was lost; how much comes with the next
};

// CLOCK_REALTIME - CLOCK_MONOTONIC from now on.
struct ClockEvent {
  Nanos at{};
  Nanos offset{};
};

// The helper's answer to "what is the path of this cgroup?"; empty: it is gone.
struct CgroupEvent {
  Nanos at{};
  std::uint64_t id = 0;
  std::string path;
};

// Neighbouring ports; `last`: included.
struct PortSpan {
  static constexpr std::size_t kMost = 6'000;  // that an event has of a kind
  std::uint16_t first = 0, last = 0;
  bool operator==(const PortSpan&) const = default;
};

// Which ports a network namespace lets connect() choose from (ip_local_port_range). 0: it could not
// be read.
struct NamespaceEvent {
  Nanos at{};
  std::uint64_t netns_cookie = 0;
  std::uint16_t port_low = 0, port_high = 0;  // high: included
  std::uint32_t reserved_ports = 0;           // of ip_local_reserved_ports, within the range
  // Rising, within the range. `bound`: by listeners, and by what is bound and not connected.
  std::vector<PortSpan> reserved, bound;
  std::optional<std::uint8_t> tw_reuse;  // tcp_tw_reuse; nullopt: not known
  std::uint32_t tw_reuse_delay_ms = 1000;
  bool operator==(const NamespaceEvent&) const = default;
};

// A socket that the kernel has, found in a walk through all of one network namespace. Full sockets
// are read under their lock and minisocks and requests while their timer runs, and the record is
// queued in between: on either side of it in the stream is what happened before and after.
enum class SocketKind : std::uint8_t { Full = 1, Minisock, Request };

// What a full socket keeps of its past beside the three times below. From a record of an older
// version it is not known.
struct SocketStamps {
  static constexpr std::int64_t kNever = INT64_MAX;
  Nanos delivered{}, first_sent{};   // delivered_mstamp, first_tx_mstamp; 0: never
  std::int64_t delack_ago = kNever;  // jiffies; negative: so many are left
  std::uint32_t retrans_stamp = 0;   // the low 32 bits of a time in ms, or in us; 0: never
  std::uint32_t unacked = 0;         // write_seq - snd_una; a SYN or FIN counts 1
  bool known = false;
  bool all_sent = false;  // snd_nxt == write_seq: what is not acknowledged was sent, at least once
  bool usec_ts = false;   // retrans_stamp counts us
  bool quickack_route = false;
  bool deferred_syn = false;
};

struct SnapshotEvent {
  Nanos at{};
  SocketKind kind = SocketKind::Full;
  std::uint64_t object = 0;
  std::uint64_t cookie = 0;  // 0: a minisock or request that has none
  Flow flow;
  State state = State::Closed;
  bool attached = false;    // a full socket that has a struct socket
  bool dead = false;        // ... that nobody holds
  bool mptcp = false;       // ... that is an MPTCP subflow
  bool port_bound = false;  // somebody bound its port: connect() does not choose it
  std::uint64_t sock_cgroup_id = 0;
  // A full socket: jiffies since an acknowledgment or data came, or data was sent; nullopt: never.
  std::optional<std::uint32_t> acked_ago, received_ago, sent_ago;
  SocketStamps stamps;
  Nanos syn_at{};  // a request: when its SYN came
  // A minisock
  std::int32_t left_jiffies = 0;
  std::uint32_t entry_stamp_ms = 0;
  bool timestamps = false;
};

// What the kernel answered about a socket whose flag is due.
enum class Presence : std::uint8_t {
  Unknown,  // it could not be asked
  Gone,
  Present,
};

struct InquiryEvent {
  Nanos at{};                                        // when the kernel was asked
  std::uint32_t id = 0, generation = 0, serial = 0;  // of the Question
  Presence presence = Presence::Unknown;
  SocketKind kind = SocketKind::Full;
  State state = State::Closed;
  std::uint64_t cookie = 0;  // that it has now; 0: none
  Endpoint local;
  bool attached = false;            // a full socket that has a struct socket
  std::uint32_t receive_queue = 0;  // of a full socket: rcv_nxt - copied_seq; a FIN counts 1
  std::uint32_t send_queue = 0;     // ... write_seq - snd_una; a FIN counts 1
  SendWait send_wait = SendWait::None;
  std::vector<Holder> holders;
  std::optional<OtherEnd> other_end;
  // Holds the listener of its port and not the socket, and is an ancestor of who holds it.
  std::optional<Process> inherited_from;
};

// Of those that the InquiryEvents with the same or an earlier time name, as far as they still ran.
struct ProcessesEvent {
  Nanos at{};
  std::vector<ProcessFacts> processes;
};

// An MPTCP socket: what the application holds, while its TCP sockets (subflows) belong to the
// kernel.
struct MptcpSocket {
  std::uint64_t object = 0;
  std::uint64_t cookie = 0;  // of the subflow that stands for it; 0: it has none
  State state = State::Closed;
  bool dead = false;                          // nobody holds it
  bool attached = false;                      // it has a struct socket
  bool unread = false;                        // there are unread bytes
  std::optional<std::uint64_t> unread_bytes;  // nullopt: of an unknown number
  std::uint64_t unsent_bytes = 0;
  std::uint32_t subflows = 0;  // that are open
  // Of its subflows the latest: as of SnapshotEvent.
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
  bool stands = false;  // for its MPTCP socket: no other subflow does
  MptcpSocket socket;
};

// Subflows that a walk through sockets found, all or those that were asked about; none where the
// subflow and the MPTCP socket are ESTABLISHED both.
struct MptcpEvent {
  Nanos at{};
  std::vector<MptcpSubflow> subflows;
};

// Who holds sockets that are older than the trace, in any order.
struct HoldersEvent {
  Nanos at{};
  std::vector<Holding> holdings;
};

// A socket whose connection is over, or never came to be, and that processes still hold.
struct DeadSocket {
  std::uint64_t cookie = 0;
  Nanos at{};                   // when it was looked at
  Nanos active{};               // when it ended, or when leftover data was read after that
  bool active_exact = false;    // it is when it ended
  bool connect_failed = false;  // it never was connected
  bool mptcp = false;           // an MPTCP socket
  bool uncounted = false;       // ... with unread bytes of an unknown number
  Flow flow;
  std::uint64_t sock_cgroup_id = 0;
  std::optional<std::uint32_t> received_ago, sent_ago;  // as of SnapshotEvent
  std::uint32_t unread = 0;                             // bytes; without the FIN
  std::uint16_t err = 0;                                // that nobody has fetched yet
  std::vector<Holder> holders;
};

// All there are whose holders are visible here.
struct DeadEvent {
  Nanos at{};  // when the walk began
  std::vector<DeadSocket> sockets;
};

// `run`: the last descriptor of a socket was closed, or a packet ended an orphan.
struct ReleaseEvent {
  Nanos at{};
  std::uint64_t cookie = 0;
  Nanos active{};  // as of DeadSocket
  Process task;    // of an orphan whoever was interrupted
  bool by_exit = false;
  bool by_followed = false;
  std::uint32_t unread = 0;
};

// `run`: a process of the command exits. What it still holds is closed after this.
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

// What the whole network namespace counts (TcpExt of /proc/net/netstat).
struct ListenCounters {
  std::uint64_t overflows = 0;     // ListenOverflows
  std::uint64_t cookies_sent = 0;  // SyncookiesSent
};

// A listener, and what has waited in its accept queue for longer than the threshold.
struct ListenQueue {
  std::uint64_t cookie = 0;
  Flow flow;
  std::uint32_t length = 0, backlog = 0;
  std::uint32_t syns_dropped = 0;
  bool whole = true;                 // else there are more that wait: nothing is said of them
  std::vector<QueuedChild> fresh;    // not among those of an earlier walk
  std::vector<std::uint64_t> known;  // cookies of the others
  // As it was when something fresh was found, else empty.
  bool asked = false;                      // what follows was asked for
  std::vector<Holder> holders;             // of the listener
  std::vector<std::uint32_t> accepted;     // who holds connections of its port: pids
  std::vector<Parent> parents;             // of the holders, of their parents, and so on
  std::optional<ListenCounters> counters;  // nullopt: not known
};

// A walk through the accept queues of these network namespaces.
struct AcceptQueuesEvent {
  Nanos at{};  // what is told of was there, and had been for the threshold
  std::vector<std::uint64_t> namespaces;
  std::vector<std::uint64_t> without_listeners;  // those of them that have none
  std::vector<ListenQueue> queues;
  // What is not over the threshold yet: how many, and when the first of them was queued.
  std::uint64_t young = 0;
  std::optional<Nanos> next_queued;
};

using Event =
    std::variant<SnapshotEvent, InquiryEvent, HoldersEvent, ProcessesEvent, AcceptQueuesEvent,
                 TransitionEvent, TimewaitEvent, RequestEvent, AcceptEvent, ResetEvent, SynEvent,
                 LossEvent, ClockEvent, SuspendEvent, CgroupEvent, NamespaceEvent, MptcpChangeEvent,
                 MptcpEvent, DeadEvent, ReleaseEvent, ExitEvent>;

}  // namespace tcpdwell
