// SPDX-License-Identifier: Apache-2.0
// One life of one local endpoint, from its first state to the end of its last, across the kernel
// objects that carry it. A host can have a million: the common fields fit two cache lines, shared
// values are interned, rare fields are in ColdState. ConnectionTable owns all three and has the
// accessors.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "lifecycle/filter.h"
#include "model/event.h"
#include "model/record.h"
#include "model/types.h"

namespace tcpdwell {

// The kernel object that carries the connection now.
enum class Carrier : std::uint8_t {
  Request,   // request sock: half-open
  Newborn,   // child whose cookie and flow are not reliable yet: before 6.18 the kernel sets them
             // after its first transition
  Full,      // struct sock
  Minisock,  // inet_timewait_sock: TIME_WAIT, or FIN_WAIT_2 of an orphan
};

// An event that seems to end the connection; the next event can show another meaning.
enum class PendingEnd : std::uint8_t {
  None,
  Cancelled,  // timer of a minisock or request cancelled: a re-arm, an expiry, or the end
  Expired,    // timer of a request expired: a retransmit, or the end
  Closed,     // full socket went to CLOSE: an RST of ours or a minisock may follow
};

// Progress of a connection's flag.
enum class FlagStage : std::uint8_t {
  None,
  Waiting,  // for the threshold
  Asked,    // the kernel was asked
  Raised,
};

// Shared by all sockets with one local address in one namespace.
struct Site {
  std::array<std::uint8_t, 16> local{};  // as Endpoint::addr
  std::uint64_t netns_cookie = 0;
  std::uint32_t netns = 0;
  Family family = Family::Ipv4;
  std::uint32_t device = Flow::kUnknownDevice;
  bool operator==(const Site& other) const {
    return netns_cookie == other.netns_cookie && netns == other.netns && family == other.family &&
           device == other.device && same(local, other.local);
  }
  template <typename H>
  friend H AbslHashValue(H hash, const Site& site) {
    return H::combine(std::move(hash), site.local, site.netns_cookie, site.family, site.device);
  }
};

struct Connection {
  std::uint64_t cookie = 0;  // 0: not known
  std::uint64_t object = 0;  // kernel address: the key of every carrier but Full
  Nanos entered{};           // begin of its state
  static constexpr std::size_t kSpentSlots = 4;
  std::array<Nanos, kSpentSlots> spent{};  // in the states of `spent_in`
  std::uint64_t sock_cgroup_id = 0;
  std::array<std::uint8_t, 16> remote{};
  std::uint32_t site : 30 = 0;
  bool port_bound : 1 = false;   // bind() set the local port, not connect()
  bool timestamped : 1 = false;  // minisock: the connection had TCP timestamps
  std::uint16_t local_port = 0, remote_port = 0;
  std::uint32_t owner = 0, closer = 0;  // processes; 0: not known
  // Indexes in the table's pools; 0: none. The top bit of `tally` selects the pool of large ones.
  std::uint32_t tally = 0, minisock = 0, cold = 0;
  std::uint32_t timer = 0;       // in TimerWheel; 0: none
  std::uint32_t generation = 0;  // an id is reused; the pair (id, generation) is not
  std::uint16_t question = 0;    // serial of the last question; answers to older ones are stale
  std::uint16_t snapshot = 0;    // number of the last walk that found it, or during which it began

  State state : 4 = State::Closed;
  Carrier carrier : 2 = Carrier::Full;
  Role role : 2 = Role::Unknown;

  Side opened_by : 3 = Side::Unknown;
  Side closed_by : 3 = Side::Unknown;
  Verdict verdict : 2 = Verdict::NotYet;

  Via owner_via : 3 = Via::Connect;
  FlagStage flag : 2 = FlagStage::None;
  bool flagged_as_orphan : 1 = false;
  bool end_asked : 1 = false;    // an end is pending, and the kernel was asked about it
  bool origin_lost : 1 = false;  // minisock: the state before it is not known until the next event

  Cause flag_cause : 4 = Cause::None;
  PendingEnd pending_end : 2 = PendingEnd::None;
  bool announced : 1 = false;       // records can be published: nothing of the flow is awaited
  bool origin_unknown : 1 = false;  // same as origin_lost, but the full socket was not seen

  bool reset_sent : 1 = false;
  bool reset_memory : 1 = false;
  bool first_published : 1 = false;  // its first transition was published
  bool orphan : 1 = false;           // no process holds a descriptor
  bool followed : 1 = false;         // `run`: it belongs to the command
  bool entered_known : 1 = true;     // false: `entered` is an upper bound
  bool minisock_cookie : 1 = true;   // the minisock, if any, has the cookie too
  bool used : 1 = false;             // for the table: the slot holds a connection

  bool recent : 1 = false;      // for the table: had an event since the last eviction scan
  bool in_cookies : 1 = false;  // for the table: the indexes that contain it
  bool in_objects : 1 = false;
  bool in_flows : 1 = false;
  std::uint8_t spent_bounds : 4 = 0;  // one bit for each slot of `spent`: a lower bound
  std::uint16_t spent_in = 0;         // four bits for each slot of `spent`: its State; 0: not used
};
static_assert(sizeof(Connection) == 128, "two cache lines, a million times");

// Checks each enumeration in a bit-field of Connection by its last enumerator.
template <typename E>
constexpr bool fits(E last, unsigned width) {
  return static_cast<unsigned>(last) < 1U << width;
}
static_assert(fits(State::Closing, 4) && fits(Carrier::Minisock, 2) && fits(Role::Listener, 2) &&
              fits(Side::Both, 3) && fits(Verdict::Hide, 2) && fits(Via::Fd, 3) &&
              fits(FlagStage::Raised, 2) && fits(Cause::ConnectFailed, 4) &&
              fits(PendingEnd::Closed, 2));

// Tally of a connection with less than 4 GiB each way: nearly all of them.
struct SmallTally {
  std::uint32_t bytes_sent = 0, bytes_received = 0;
  std::uint32_t retransmits = 0, srtt_us = 0;
};

// Timer deadline and stamp of a minisock in FIN_WAIT_2 as of its creation.
struct MinisockStart {
  Nanos due{};
  std::uint32_t entry_stamp_ms = 0;
};

// A transition that is not published yet: the filter has not decided, or the local port is not
// known.
struct HeldTransition {
  Nanos at{};
  Nanos dwell{}, error{};
  Nanos measured_error{};  // `error` without suspensions
  State from = State::Closed, to = State::Closed;
  Why why = Why::Unknown;
  bool has_dwell = false;      // false: first transition
  bool error_known = false;    // false: the dwell is a lower bound
  bool owned = false;          // the owner was known at `at`
  std::uint8_t syns_sent = 0;  // as in TransitionRecord
};

// Saturates: the dwells of a recording can have errors of years.
inline Nanos sum_of_errors(Nanos one, Nanos other) {
  constexpr Nanos kMost{INT64_MAX / 4};
  return std::min(one, kMost) + std::min(other, kMost);
}

struct StateTime {
  Nanos total{};
  Nanos error{};
  bool visited = false;
  bool lower_bound = false;
};

// Fields that only few connections need at a time.
struct ColdState {
  std::vector<HeldTransition> held;  // until the verdict and the local port are known
  Nanos entered_error{};
  // Lower bound of `entered` if that is not known; nullopt: no bound.
  std::optional<Nanos> entered_earliest;
  std::array<Nanos, Connection::kSpentSlots> errors{};  // of Connection::spent
  // Replaces `spent` if the connection had more states than slots.
  std::unique_ptr<std::array<StateTime, kStates>> times;
  std::uint32_t life = 0;
  std::uint32_t pending_serial = 0;  // of the pending end; a deadline of another one is stale
  std::uint32_t pending_cpu = 0;
  std::uint8_t syn_ack_retransmits = 0;
  Nanos pending_at{};
  // The event of the pending end: cancel of a minisock's timer, CLOSE of a full socket, or cancel
  // or expiry of a request's timer. With origin_lost: the start of the minisock.
  std::variant<std::monostate, TimewaitEvent, TransitionEvent, RequestEvent> pending_event;
};

}  // namespace tcpdwell
