// SPDX-License-Identifier: Apache-2.0
// Suspensions of the host. CLOCK_MONOTONIC does not advance during them, so dwells exclude them.
#pragma once

#include <optional>
#include <vector>

#include "model/suspend_event.h"

namespace tcpdwell {

// How long the host was suspended within a span of time.
class Suspensions {
 public:
  // Call it in the order of time.
  void add(const SuspendEvent& event);
  // The sum of all suspensions that can overlap the span. Exact unless `begin` or `end` is near a
  // suspension.
  Nanos within(Nanos begin, Nanos end) const {
    return begin >= last_at_ ? Nanos{0} : sum(begin, end);
  }

 private:
  Nanos sum(Nanos begin, Nanos end) const;

  static constexpr std::size_t kMost = 4096;  // beyond it the oldest ones are merged
  std::vector<SuspendEvent> all_;
  Nanos total_{};
  Nanos last_at_ = Nanos::min();
};

// Detects suspensions: CLOCK_BOOTTIME advances during them, CLOCK_MONOTONIC does not.
class SuspendWatch {
 public:
  // `ahead`: CLOCK_BOOTTIME - CLOCK_MONOTONIC at `now`. The first call returns nullopt.
  std::optional<SuspendEvent> compare(Nanos now, Nanos ahead);

 private:
  std::optional<Nanos> ahead_;
  Nanos compared_at_{};
};

}  // namespace tcpdwell
