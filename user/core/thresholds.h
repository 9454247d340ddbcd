// SPDX-License-Identifier: Apache-2.0
// How long a socket may stay in a state before it is flagged.
#pragma once

#include <array>
#include <chrono>
#include <optional>

#include "core/types.h"

namespace tcpdwell {

struct Thresholds {
  std::array<std::optional<Nanos>, kStates> of{};  // indexed by State; nullopt: never
  std::optional<Nanos> orphan;                     // of a FIN_WAIT_2 that nobody holds
  bool since_orphaned = false;                     // the latter counts from when it was let go of

  std::optional<Nanos> for_state(State state, bool orphaned) const {
    return orphaned && state == State::FinWait2 ? orphan : of[index(state)];
  }
  bool operator==(const Thresholds&) const = default;
  // An explicit one holds for orphans too.
  void set(State state, Nanos threshold) {
    of[index(state)] = threshold;
    if (state != State::FinWait2) return;
    orphan = threshold;
    since_orphaned = false;
  }
};

// The kernel itself ends an orphaned FIN_WAIT_2 60 to 62 s after it was orphaned
// (tcp_fin_timeout, and the timer wheel's granule): that it is about to is no alarm.
inline constexpr Nanos kOrphanThreshold = std::chrono::seconds{65};

inline Thresholds default_thresholds(Nanos both) {
  Thresholds thresholds;
  thresholds.set(State::CloseWait, both);
  thresholds.set(State::FinWait2, both);
  thresholds.orphan = kOrphanThreshold;
  thresholds.since_orphaned = true;
  return thresholds;
}

}  // namespace tcpdwell
