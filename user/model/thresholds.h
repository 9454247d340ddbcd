// SPDX-License-Identifier: Apache-2.0
// How long a socket may stay in a state, or in an accept queue, before it is flagged. The threshold
// of CLOSED applies to a descriptor that is still open after its connection has ended.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string_view>

#include "model/types.h"

namespace tcpdwell {

// A flag is about a TCP state, or about the time in an accept queue in any state.
enum class FlagKind : std::uint8_t { State, Accept };
inline constexpr std::string_view kAcceptFlag = "ACCEPT";

// The name on the command line and in the output.
inline std::string_view flag_name(FlagKind kind, State state) {
  return kind == FlagKind::Accept ? kAcceptFlag : name(state);
}

struct Thresholds {
  std::array<std::optional<Nanos>, kStates> of{};  // indexed by State; nullopt: never
  std::optional<Nanos> orphan;                     // of a FIN_WAIT_2 that no process holds
  bool since_orphaned = false;                     // `orphan` counts from the last close()
  std::optional<Nanos> accept;                     // in an accept queue

  std::optional<Nanos> for_state(State state, bool orphaned) const {
    return orphaned && state == State::FinWait2 ? orphan : of[index(state)];
  }
  bool operator==(const Thresholds&) const = default;
  // An explicit FIN_WAIT_2 threshold holds for orphans too.
  void set(State state, Nanos threshold) {
    of[index(state)] = threshold;
    if (state != State::FinWait2) return;
    orphan = threshold;
    since_orphaned = false;
  }
};

// The kernel itself ends an orphaned FIN_WAIT_2 60 to 62 s after it was orphaned
// (tcp_fin_timeout, and the timer wheel's granule). No flag for an orphan that is about to expire.
inline constexpr Nanos kOrphanThreshold = std::chrono::seconds{65};

inline constexpr Nanos kAcceptThreshold = std::chrono::seconds{10};

inline Thresholds default_thresholds(Nanos states) {
  Thresholds thresholds;
  thresholds.set(State::CloseWait, states);
  thresholds.set(State::FinWait2, states);
  thresholds.set(State::Closed, states);
  thresholds.accept = std::min(states, kAcceptThreshold);
  thresholds.orphan = kOrphanThreshold;
  thresholds.since_orphaned = true;
  return thresholds;
}

// Calls call(name, threshold) for each threshold, in the order of State; ACCEPT is the last.
template <typename Call>
void for_each_named(const Thresholds& thresholds, Call&& call) {
  for (std::size_t i = 1; i < kStates; ++i)
    if (thresholds.of[i]) call(name(static_cast<State>(i)), *thresholds.of[i]);
  if (thresholds.accept) call(kAcceptFlag, *thresholds.accept);
}

}  // namespace tcpdwell
