// SPDX-License-Identifier: Apache-2.0
// What the lifecycle table says: the one closed set of records that every sink handles. They are
// the JSON objects of `tcpdwell trace --json`, field for field; sinks only format them.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "model/event.h"
#include "model/thresholds.h"
#include "model/types.h"

namespace tcpdwell {

// When it happened. `unix_time` is 0 only if the clock offset is not known.
struct When {
  Nanos mono{};
  Nanos unix_time{};
};

enum class Role : std::uint8_t { Unknown, Client, Server, Listener };
enum class Side : std::uint8_t { Unknown, None, Local, Remote, Both };
std::string_view name(Role role);
std::string_view name(Side side);

// A connection's end. RST, timeout and the rest as the contract of `ended` says.
enum class Ended : std::uint8_t {
  Unknown,
  Fin,
  ResetSent,
  ResetReceived,
  Refused,
  Timeout,
  Closed,
  Killed,
  Overflow,
  Dropped,
  Netns,
  Unreachable
};
enum class TimeWaitEnded : std::uint8_t {
  Unknown,
  Expired,
  Reused,
  Recycled,
  Reset,
  Killed,
  Netns
};
std::string_view name(Ended ended);
std::string_view name(TimeWaitEnded ended);

// What caused a transition.
enum class Why : std::uint8_t {
  Unknown,  // null in JSON
  Connect,
  Listen,
  Close,
  Shutdown,
  Disconnect,
  Syn,
  Ack,
  Fin,
  Reset,
  Refused,
  Timeout,
  Expired,
  Reused,
  Recycled,
  Killed,
  Overflow,
  Dropped,
  Netns,
  Unreachable
};
std::string_view name(Why why);

// A duration and how far it may be off.
struct Dwell {
  Nanos value{};
  // The true value is within value +- error. nullopt: the beginning is not known, value is a lower
  // bound.
  std::optional<Nanos> error{Nanos{0}};
};

// The fields of every object about a socket.
struct SocketInfo {
  std::uint64_t cookie = 0;  // 0: a request sock that has none
  std::uint32_t life = 0;
  Flow flow;
  Role role = Role::Unknown;
  std::optional<Owner> owner;
  std::string_view cgroup;  // empty: not known. Untrusted bytes, valid in Sink::write() only.
};

struct StartRecord {
  When when;
  std::string version, kernel, host;
  unsigned hz = 0;
  std::vector<std::pair<std::string, Nanos>> thresholds;  // by the name of the flag
  // capability -> "exact" | "jiffy" | "poll" | "no", in the order to print
  std::vector<std::pair<std::string, std::string>> sees;
};

struct TransitionRecord {
  When when;
  SocketInfo socket;
  State from = State::Closed;
  State to = State::Closed;
  std::optional<Dwell> dwell;  // in `from`; nullopt where there was none
  Why why = Why::Unknown;
};

struct ConnectionRecord {
  When when;
  SocketInfo socket;
  // Indexed by State; nullopt: never in it. A LISTEN socket's and a child's are apart.
  std::array<std::optional<Dwell>, kStates> dwell;
  std::optional<Owner> closer;
  Side opened_by = Side::Unknown;
  Side closed_by = Side::Unknown;
  Ended ended = Ended::Unknown;
  std::optional<TimeWaitEnded> time_wait_ended;  // nullopt: it never was in TIME_WAIT
  std::optional<Tally> tally;                    // nullopt: no full socket was seen to end
};

// Why a socket is stuck: docs/json.md, `cause`. The first that fits.
enum class Cause : std::uint8_t {
  None,  // not judged; null in JSON
  NotAccepted,
  DataUnread,
  Sending,
  EofUnread,
  EofRead,
  HalfClosed,
  Orphaned,
  NotClosed,      // CLOSED: the descriptor is still open
  ConnectFailed,  // CLOSED: of a connect() that failed
};
std::string_view name(Cause cause);

// Of the listener whose queue a connection waits in.
struct AcceptQueue {
  std::uint64_t listener = 0;                // its cookie
  std::uint16_t port = 0;                    // ... that of its connections, but for TPROXY
  std::uint32_t length = 0, backlog = 0;     // full at backlog + 1
  std::uint32_t syns_dropped = 0;            // at this listener, since it was made
  std::optional<ListenCounters> counters;    // of the whole namespace; nullopt: not known
  std::vector<std::uint32_t> should_accept;  // pids, in order: some of the holders
  std::optional<Process> hidden_holder;      // it has no number here: in another pid namespace
  bool is_full() const { return length > backlog; }
};

// A connection has been in a flagged state for longer than its threshold, or left it since.
struct FlagRecord {
  When when;
  SocketInfo socket;
  // Else cleared: what follows but kind, state, threshold, dwell and cause is empty.
  bool raised = true;
  FlagKind kind = FlagKind::State;
  State state = State::CloseWait;  // Closed: a descriptor whose connection is over
  Nanos threshold{};
  Dwell dwell;                   // when the kernel was asked; at "cleared": in all
  std::optional<Nanos> at_most;  // of a dwell that is a lower bound; nullopt: there is no upper one
  Cause cause = Cause::None;
  std::optional<std::uint64_t> unread_bytes, unsent_bytes;  // nullopt: the kernel does not say
  SendWait send_wait = SendWait::None;                      // what its unsent bytes wait for
  bool attached = true;         // a full socket: a descriptor led to it, or no one said otherwise
  std::vector<Holder> holders;  // by pid and fd. NotAccepted: those of its listener
  // Of the holders and of the other end, by pid; one may be missing.
  std::vector<ProcessFacts> processes;
  std::optional<OtherEnd> other_end;
  bool mptcp = false;  // it is the MPTCP socket's, which the connection stands for
  std::optional<Process> inherited_from;  // see InquiryEvent
  std::optional<AcceptQueue> queue;       // NotAccepted
  Ended ended = Ended::Unknown;           // Closed: how the connection ended, where that was seen
  std::uint16_t pending_error = 0;  // Closed: errno that the application has not fetched; 0: none
  bool by_exit = false;             // `run`: nothing but the exit of its process closed it
  // `run`: ... or the process so shortly before it that its runtime did it. 0: the exit itself.
  std::optional<Nanos> before_exit;
  bool slow = false;  // `run`: it took longer than its threshold, and was not left behind
};

// Its age passes its threshold: the lower bound does, or both bounds are within kBoundsAgree and
// the upper one does. Else it is "age unknown, at most at_most".
inline constexpr Nanos kBoundsAgree = std::chrono::seconds{1};
bool is_certainly_stuck(const FlagRecord& flag);
// The bounds leave open whether it passes.
bool is_of_unknown_age(const FlagRecord& flag);
// Whether it decides the exit status of `leaks` and `run`.
bool is_leak(const FlagRecord& flag);

// `run`: how near it came to a threshold.
struct Longest {
  State state = State::CloseWait;  // or FinWait2, while a process held it
  Nanos dwell{};
  SocketInfo socket;  // without its cgroup
};

// Why a connect() failed before a packet left.
enum class ConnectFailure : std::uint8_t {
  NoPort,     // EADDRNOTAVAIL: no local port was left to choose
  PortTaken,  // the port that was bound has a connection to this destination already
};
std::string_view name(ConnectFailure reason);

// connect() calls that failed since the last such record about the same. What is too much to be
// told apart is told together: first destinations, then processes.
struct FailedConnectsRecord {
  When when;  // of the last one
  // nullopt: several, or not known. Its pid is 0 where several have the name, or it is not visible.
  std::optional<Process> process;
  Flow flow;  // of its remote end and local address
  bool one_destination = true;
  ConnectFailure reason = ConnectFailure::NoPort;
  std::uint64_t count = 0;
};

struct LostRecord {
  When when;
  LossCause cause = LossCause::RingFull;
  std::uint64_t events = 0;
  std::uint64_t transitions = 0;
  std::uint64_t at_most = 0;
  std::uint64_t resynced = 0;
};

// The host was suspended before `when`. Dwells leave that time out; those that span it have it in
// their error.
struct ClockRecord {
  When when;
  Nanos suspended{};
};

// `leaks`: what is there in a state that has a threshold, whether it passes it or not.
struct WatchedState {
  FlagKind kind = FlagKind::State;
  State state = State::CloseWait;
  Nanos threshold{};
  std::uint64_t sockets = 0;
  Nanos oldest{};                 // a lower bound, if it is of unknown age; 0: there is none
  std::uint64_t unknown_age = 0;  // those whose bounds leave open whether they pass

  void add(const FlagRecord& flag) {
    ++sockets;
    oldest = std::max(oldest, flag.dwell.value);
    if (is_of_unknown_age(flag)) ++unknown_age;
  }
};

struct EndRecord {
  When when;
  std::uint64_t events = 0;            // received from the kernel
  std::uint64_t transitions = 0;       // those of them on inet_sock_set_state
  std::uint64_t lost = 0;              // LostRecord::events, summed
  std::uint64_t transitions_lost = 0;  // LostRecord::transitions, summed
  std::uint64_t ring_full = 0;         // those of `lost` that the ring had no room for
  std::uint64_t connections = 0;       // lives that were seen to end, before any filter
  std::uint64_t open = 0;              // lives still open
  struct Passed {                      // the filter; not in JSON
    std::uint64_t transitions = 0;     // of connections, whatever the kernel tells them by
    std::uint64_t connections = 0;     // that ended
    std::uint64_t open = 0;
  } passed;
  std::uint64_t flags_raised = 0;
  std::uint64_t flags_open = 0;  // those of them not cleared
  std::uint64_t evicted = 0;     // lives that left the table for --max-connections
  std::uint64_t unseen = 0;     // transitions, at least, that no program saw and no counter counted
  std::uint64_t corrected = 0;  // ends that were none: the kernel was asked before they were told
  std::uint64_t mptcp_not_judged = 0;  // subflows whose MPTCP socket could not be looked at
  std::uint64_t output_dropped = 0;    // lines; a sink fills it in, as it alone has all of them
  std::uint64_t unrecorded = 0;        // frames that are missing in a recording; not printed
  Nanos elapsed{};
  std::vector<Longest> longest;  // `run`: of each state that was seen; else empty
  bool truncated = false;        // a replay: the recording does not tell the end
  std::optional<std::vector<WatchedState>> watched;  // nullopt: it was not `leaks`
};

using Record = std::variant<StartRecord, TransitionRecord, FlagRecord, ConnectionRecord,
                            FailedConnectsRecord, LostRecord, ClockRecord, EndRecord>;

// Where records go. Called on the thread that owns the table; must not throw.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(const Record& record) noexcept = 0;
  // What it would drop unseen need not be made. Asked once, before the first record.
  struct Needs {
    bool transitions = true, connections = true;
    bool whose = true;              // TransitionRecord::socket; else that is empty
    bool failures_at_once = false;  // FailedConnectsRecord: at each tick, not now and then
  };
  virtual Needs needs() const noexcept { return {}; }
};

}  // namespace tcpdwell
