// SPDX-License-Identifier: Apache-2.0
// One life of one local end, from its first state to the end of its last, whichever kernel object
// carries it at the time. A host may have a million: what all of them need is two cache lines, what
// many have in common is held once, and what few need is kept apart. ConnectionTable owns all three
// and has the accessors.
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
  Newborn,   // a child whose cookie and flow are not reliable yet (before 6.18 the kernel fills
             // them in after the transition that announces it)
  Full,      // struct sock
  Minisock,  // inet_timewait_sock: TIME_WAIT, or FIN_WAIT_2 that nobody holds
};

// What happened to it may turn out to be something else by the next event.
enum class PendingEnd : std::uint8_t {
  None,
  Cancelled,  // its timer was: a re-arm, an expiry, or the end
  Expired,    // a request's timer ran out: a retransmission, or the end
  Closed,     // a full socket with an error that an RST of ours would explain
};

// How far its flag is.
enum class FlagStage : std::uint8_t {
  None,
  Waiting,  // for its threshold
  Asked,    // the kernel was
  Raised,
};

// What all sockets of one address in one namespace share.
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
  Nanos entered{};           // its state
  static constexpr std::size_t kPlain = 4;
  std::array<Nanos, kPlain> spent{};  // in the states of `spent_in`
  std::uint64_t sock_cgroup_id = 0;
  std::array<std::uint8_t, 16> remote{};
  std::uint32_t site : 30 = 0;
  bool port_bound : 1 = false;   // somebody bound its local port: connect() did not choose it
  bool timestamped : 1 = false;  // a minisock: its connection had TCP timestamps
  std::uint16_t local_port = 0, remote_port = 0;
  std::uint32_t owner = 0, closer = 0;  // processes; 0: not known
  // Of the table's pools; 0: it has none. The upper bit of `tally` says which of the two it is.
  std::uint32_t tally = 0, minisock = 0, extra = 0;
  std::uint32_t timer = 0;       // of TimerWheel
  std::uint32_t generation = 0;  // an id is reused; the pair (id, generation) is not
  std::uint16_t question = 0;    // the serial of the last one that counts
  std::uint16_t snapshot = 0;    // the last one that found it, or in which it began

  State state : 4 = State::Closed;
  Carrier carrier : 2 = Carrier::Full;
  Role role : 2 = Role::Unknown;

  Side opened_by : 3 = Side::Unknown;
  Side closed_by : 3 = Side::Unknown;
  Verdict verdict : 2 = Verdict::NotYet;

  Via owner_via : 3 = Via::Connect;
  FlagStage flag : 2 = FlagStage::None;
  bool flagged_as_orphan : 1 = false;
  bool end_asked : 1 = false;    // it is in doubt, and the kernel was asked whether it is there
  bool origin_lost : 1 = false;  // a minisock came, and not from the state we know: the next says

  Cause flag_cause : 4 = Cause::None;
  PendingEnd pending_end : 2 = PendingEnd::None;
  bool announced : 1 = false;       // its first record may go out: the flow is as known as it gets
  bool origin_unknown : 1 = false;  // a minisock whose full socket we have not seen: the same

  bool reset_sent : 1 = false;
  bool reset_memory : 1 = false;
  bool first_published : 1 = false;  // its first transition was published
  bool orphan : 1 = false;           // nobody holds a descriptor of it
  bool followed : 1 = false;         // `run`: it belongs to the command
  bool entered_known : 1 = true;     // else `entered` is the latest it can have been
  bool minisock_cookie : 1 = true;   // its minisock, if it has one, has the cookie too
  bool used : 1 = false;             // the table's: this is a connection

  bool recent : 1 = false;      // the table's: heard of since it was looked for a quiet one
  bool in_cookies : 1 = false;  // ... of which of its indexes it is in
  bool in_objects : 1 = false;
  bool in_flows : 1 = false;
  std::uint8_t spent_bounds : 4 = 0;  // for each of `spent`: it is a lower bound
  std::uint16_t spent_in = 0;         // for each of `spent` four bits: its State; 0: not used
};
static_assert(sizeof(Connection) == 128, "two cache lines, a million times");

// Each enumeration in a bit-field of Connection, by its last enumerator.
template <typename E>
constexpr bool fits(E last, unsigned width) {
  return static_cast<unsigned>(last) < 1U << width;
}
static_assert(fits(State::Closing, 4) && fits(Carrier::Minisock, 2) && fits(Role::Listener, 2) &&
              fits(Side::Both, 3) && fits(Verdict::Hide, 2) && fits(Via::Fd, 3) &&
              fits(FlagStage::Raised, 2) && fits(Cause::ConnectFailed, 4) &&
              fits(PendingEnd::Closed, 2));

// The Tally of nearly all connections: fewer than 4 GiB each way.
struct SmallTally {
  std::uint32_t bytes_sent = 0, bytes_received = 0;
  std::uint32_t retransmits = 0, srtt_us = 0;
};

// Of a minisock in FIN_WAIT_2, when it was made: its stamp, and when its timer was due.
struct MinisockStart {
  Nanos due{};
  std::uint32_t entry_stamp_ms = 0;
};

// A transition that is not told yet: whether the run is about its connection, or the local port, is
// not known.
struct HeldTransition {
  Nanos at{};
  Nanos dwell{}, error{};
  Nanos measured_error{};  // `error` without suspensions
  State from = State::Closed, to = State::Closed;
  Why why = Why::Unknown;
  bool has_dwell = false;    // else there was no state before
  bool error_known = false;  // else the dwell is a lower bound
  bool owned = false;        // the owner was known when it happened
};

// A recording can say of many dwells that they are off by years.
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

// What only few have at a time.
struct ColdState {
  std::vector<HeldTransition> held;  // until the verdict, and until the local port is known
  Nanos entered_error{};
  // If `entered` is not known: the earliest it can have been; nullopt: anything before.
  std::optional<Nanos> entered_earliest;
  std::array<Nanos, Connection::kPlain> errors{};  // of Connection::spent
  // Instead of `spent`, where there are more states than it has room for.
  std::unique_ptr<std::array<StateTime, kStates>> times;
  std::uint32_t life = 0;
  std::uint32_t pending_serial = 0;  // tells a deadline that the doubt it was for is gone
  std::uint32_t pending_cpu = 0;
  std::uint8_t syn_ack_retransmits = 0;
  Nanos pending_at{};
  // What the doubt is about: the cancel of a minisock's timer, or a lost origin's start; a full
  // socket's end; the last that a request's timer saw.
  std::variant<std::monostate, TimewaitEvent, TransitionEvent, RequestEvent> pending_event;
};

}  // namespace tcpdwell
