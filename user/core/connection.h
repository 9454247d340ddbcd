// SPDX-License-Identifier: Apache-2.0
// One life of one local end, from its first state to the end of its last, whichever kernel object
// carries it at the time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/event.h"
#include "core/filter.h"
#include "core/record.h"
#include "core/types.h"

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
enum class Doubt : std::uint8_t {
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

struct StateTime {
  Nanos total{};
  Nanos error{};
  bool visited = false;
  bool lower_bound = false;
};

struct Connection {
  std::uint64_t cookie = 0;
  std::uint64_t object = 0;  // key of every carrier but Full
  Flow flow;
  std::uint32_t life = 0;
  Carrier carrier = Carrier::Full;
  Role role = Role::Unknown;
  Side opened_by = Side::Unknown;
  Side closed_by = Side::Unknown;
  Verdict verdict = Verdict::NotYet;
  bool announced = false;       // its first record may go out: the flow is as known as it gets
  bool origin_unknown = false;  // a minisock whose full socket we have not seen: the next says
  bool origin_lost = false;     // a minisock came, and not from the state we know: the same
  bool reset_sent = false;
  bool reset_memory = false;
  bool told = false;      // its first transition was published
  bool orphan = false;    // nobody holds a descriptor of it
  bool followed = false;  // `run`: it belongs to the command
  FlagStage flag = FlagStage::None;
  Cause flag_cause = Cause::None;
  Nanos flag_threshold{};
  std::uint32_t question = 0;  // the serial of the last one that counts
  std::uint32_t snapshot = 0;  // the last one that found it, or in which it began

  State state = State::Closed;
  bool entered_known = true;  // else `entered` is the latest it can have been
  Nanos entered{};
  Nanos entered_error{};
  std::array<StateTime, kStates> times{};

  std::optional<Owner> owner, closer;
  std::uint64_t sock_cgroup_id = 0;
  std::optional<Tally> tally;
  // Of the minisock when it was made: its stamp, when its timer was due, and its cookie.
  std::uint32_t entry_stamp_ms = 0;
  Nanos minisock_due{};
  std::uint64_t minisock_cookie = 0;

  Doubt doubt = Doubt::None;
  std::uint32_t doubt_serial = 0;  // tells a deadline that the doubt it was for is gone
  std::uint32_t doubt_cpu = 0;
  Nanos doubt_at{};
  std::optional<TimewaitEvent> doubt_timer;  // the cancel of a minisock's timer, or a lost origin's
                                             // start
  std::optional<TransitionEvent> doubt_close;
  std::optional<RequestEvent> doubt_request;  // the last one that its timer saw
  std::uint8_t syn_ack_retransmits = 0;

  std::vector<TransitionRecord> held;  // until the verdict, and until the local port is known
};

}  // namespace tcpdwell
