// SPDX-License-Identifier: Apache-2.0
// The output of the lifecycle table: one closed set of records, all of which every sink handles.
// They match the JSON objects of `tcpdwell trace --json` field for field. Sinks only format them.
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
#include "model/full_queue.h"
#include "model/thresholds.h"
#include "model/types.h"

namespace tcpdwell {

// The time of an event. `unix_time` is 0 only if the clock offset is not known.
struct When {
  Nanos mono{};
  Nanos unix_time{};
};

enum class Role : std::uint8_t { Unknown, Client, Server, Listener };
enum class Side : std::uint8_t { Unknown, None, Local, Remote, Both };
std::string_view name(Role role);
std::string_view name(Side side);

// How a connection ended: docs/json.md, `ended`.
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

// A duration and its error.
struct Dwell {
  Nanos value{};
  // The true value is within value +- error. nullopt: the beginning is not known, and value is a
  // lower bound.
  std::optional<Nanos> error{Nanos{0}};
};

// The fields of every object about a socket.
struct SocketInfo {
  std::uint64_t cookie = 0;  // 0: a request sock without a cookie
  std::uint32_t life = 0;
  Flow flow;
  Role role = Role::Unknown;
  std::optional<Owner> owner;
  std::string_view cgroup;  // untrusted bytes, valid in Sink::write() only; empty: not known
  bool operator==(const SocketInfo&) const = default;
};

struct StartRecord {
  When when;
  std::string version, kernel, host;
  unsigned hz = 0;
  std::vector<std::pair<std::string, Nanos>> thresholds;  // flag name -> threshold
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
  // At the end of a handshake: how often its SYN (from SYN_SENT) or SYN-ACK (from SYN_RECEIVED) was
  // sent; 0: not known.
  std::uint8_t syns_sent = 0;
  bool retransmitted() const { return syns_sent > 1; }
  // The accept queue that this handshake had to pass, as of a walk during it, if it was full then
  // and something was sent again. nullopt: not full, or not seen.
  std::optional<FullQueue> full_queue;
};

struct ConnectionRecord {
  When when;
  SocketInfo socket;
  // Indexed by State; nullopt: never in it. A child does not include the dwells of its listener.
  std::array<std::optional<Dwell>, kStates> dwell;
  std::optional<Owner> closer;
  Side opened_by = Side::Unknown;
  Side closed_by = Side::Unknown;
  Ended ended = Ended::Unknown;
  std::optional<TimeWaitEnded> time_wait_ended;  // nullopt: never in TIME_WAIT
  std::optional<Tally> tally;                    // nullopt: the end of a full socket was not seen
};

// Why a socket is stuck, first match: docs/json.md, `cause`.
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
  ConnectFailed,  // CLOSED: connect() failed, the descriptor is still open
};
std::string_view name(Cause cause);

// The listener in whose accept queue a connection waits.
struct AcceptQueue {
  std::uint64_t listener = 0;                // its cookie
  std::uint16_t port = 0;                    // local port; with TPROXY its connections have others
  std::uint32_t length = 0, backlog = 0;     // full at backlog + 1
  std::uint32_t syns_dropped = 0;            // at this listener, since listen()
  std::optional<ListenCounters> counters;    // of the whole namespace; nullopt: not known
  std::vector<std::uint32_t> should_accept;  // pids of some of the holders, sorted
  bool shares_port = false;  // ListenQueue::shares_port: one of these, which is not known
  std::optional<Process> hidden_holder;  // a holder in another pid namespace, without a pid here
  bool is_full() const { return length > backlog; }
};

// A connection has been in a flagged state for longer than the threshold (raised), or has left that
// state since (cleared).
struct FlagRecord {
  When when;
  SocketInfo socket;
  // false: cleared. Then only kind, state, threshold, dwell and cause are set.
  bool raised = true;
  FlagKind kind = FlagKind::State;
  State state = State::CloseWait;  // Closed: an open descriptor whose connection has ended
  Nanos threshold{};
  Dwell dwell;                   // raised: as of the kernel query; cleared: in total
  std::optional<Nanos> at_most;  // upper bound, if `dwell` is a lower bound; nullopt: none
  Cause cause = Cause::None;
  std::optional<std::uint64_t> unread_bytes, unsent_bytes;  // nullopt: the kernel does not say
  SendWait send_wait = SendWait::None;                      // what its unsent bytes wait for
  std::optional<ByteCounts> bytes;                          // not printed; nullopt: not known
  bool attached = true;         // a full socket with a struct socket; true also if not known
  std::vector<Holder> holders;  // sorted by pid and fd. NotAccepted: the holders of its listener
  // Of the holders and of the other end, sorted by pid; can be incomplete.
  std::vector<ProcessFacts> processes;
  std::optional<OtherEnd> other_end;
  CodePlace opened, eof_read;             // --where
  bool mptcp = false;                     // the flag is about the MPTCP socket of this subflow
  std::optional<Process> inherited_from;  // see InquiryEvent
  std::optional<AcceptQueue> queue;       // NotAccepted
  Ended ended = Ended::Unknown;           // Closed: how the connection ended, if that was seen
  std::uint16_t pending_error = 0;  // Closed: errno that the application has not fetched; 0: none
  bool by_exit = false;             // `run`: only the exit of its process closed it
  // `run`: how long before its process exited it was closed (0: by the exit). Set if that was so
  // short that the runtime closed it.
  std::optional<Nanos> before_exit;
  bool slow = false;  // `run`: over its threshold, but closed by the program: not a leak
};

// True if the age passes the threshold: the lower bound passes, or both bounds are within
// kBoundsAgree and the upper one passes. Else the flag is printed as "age unknown, at most
// at_most".
inline constexpr Nanos kBoundsAgree = std::chrono::seconds{1};
bool is_certainly_stuck(const FlagRecord& flag);
// The lower bound does not pass the threshold, but the upper one does or is not known.
bool is_of_unknown_age(const FlagRecord& flag);
// True if the flag decides the exit status of `leaks` and `run`.
bool is_leak(const FlagRecord& flag);

// `run`: the longest dwell in a state.
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

// connect() calls that failed since the last such record about the same process and destination. If
// there are too many to keep apart, destinations are merged first, then processes.
struct FailedConnectsRecord {
  When when;  // of the last failed call
  // nullopt: several, or not known. pid is 0 if several processes have this comm, or if the process
  // is not visible.
  std::optional<Process> process;
  Flow flow;  // remote end and local address
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

// The host was suspended before `when`. Dwells exclude that time. The error of a dwell that spans
// the suspension includes it.
struct ClockRecord {
  When when;
  Nanos suspended{};
};

// `leaks`: all sockets in a state that has a threshold, whether they pass it or not.
struct WatchedState {
  FlagKind kind = FlagKind::State;
  State state = State::CloseWait;
  Nanos threshold{};
  std::uint64_t sockets = 0;
  Nanos oldest{};                 // a lower bound, if its age is unknown; 0: there is none
  std::uint64_t unknown_age = 0;  // sockets for which is_of_unknown_age() holds

  void add(const FlagRecord& flag) {
    ++sockets;
    oldest = std::max(oldest, flag.dwell.value);
    if (is_of_unknown_age(flag)) ++unknown_age;
  }
};

struct EndRecord {
  When when;
  std::uint64_t events = 0;            // received from the kernel
  std::uint64_t transitions = 0;       // of `events`: transitions of inet_sock_set_state
  std::uint64_t lost = 0;              // LostRecord::events, summed
  std::uint64_t transitions_lost = 0;  // LostRecord::transitions, summed
  std::uint64_t ring_full = 0;         // of `lost`: the ring was full
  std::uint64_t connections = 0;       // lives whose end was seen, before any filter
  std::uint64_t open = 0;              // lives still open
  struct Passed {                      // what passed the filter; not in JSON
    std::uint64_t transitions = 0;     // of connections, from any kind of kernel record
    std::uint64_t connections = 0;     // that ended
    std::uint64_t open = 0;
  } passed;
  std::uint64_t flags_raised = 0;
  std::uint64_t flags_open = 0;  // of `flags_raised`: not cleared
  std::uint64_t evicted = 0;     // lives removed from the table by --max-connections
  std::uint64_t unseen = 0;  // lower bound: transitions that no program saw and no counter counted
  std::uint64_t corrected = 0;  // pending ends that a kernel query proved wrong before output
  std::uint64_t mptcp_not_judged = 0;  // subflows whose MPTCP socket could not be read
  std::uint64_t output_dropped = 0;    // lines; filled in by a sink, which alone counts them all
  std::uint64_t unrecorded = 0;        // frames missing from a recording; not printed
  Nanos elapsed{};
  std::vector<Longest> longest;  // `run`: one for each state that was seen; else empty
  bool truncated = false;        // a replay: the recording has no end
  std::optional<std::vector<WatchedState>> watched;  // nullopt: not `leaks`
};

using Record = std::variant<StartRecord, TransitionRecord, FlagRecord, ConnectionRecord,
                            FailedConnectsRecord, LostRecord, ClockRecord, EndRecord>;

// A visitor of Record from one lambda a type. A sink names every type, also one that it ignores: a
// new type then does not compile until each sink says what to do with it.
template <typename... Lambdas>
struct Overloaded : Lambdas... {
  using Lambdas::operator()...;
};
template <typename... Lambdas>
Overloaded(Lambdas...) -> Overloaded<Lambdas...>;

// Receives the records. Called on the thread that owns the table; must not throw.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void write(const Record& record) noexcept = 0;
  // Which records the sink uses: the table does not make the others. Called once, before the first
  // record.
  struct Needs {
    bool transitions = true, connections = true;
    bool whose = true;              // false: TransitionRecord::socket may be empty
    bool failures_at_once = false;  // FailedConnectsRecord: at each tick, not only now and then
    bool full_queues = false;       // Lifecycle::full_queues(), also without a threshold of ACCEPT
  };
  virtual Needs needs() const noexcept { return {}; }
};

}  // namespace tcpdwell
