// SPDX-License-Identifier: Apache-2.0
// When the host was suspended: CLOCK_MONOTONIC stands still then, and with it every dwell.
#pragma once

#include <optional>
#include <vector>

#include "model/suspend_event.h"

namespace tcpdwell {

// How long the host was suspended within a span of time.
class Suspensions {
 public:
  // In the order of their time.
  void add(const SuspendEvent& event);
  // All that may have been between the two; exact but for the moments around a suspension.
  Nanos within(Nanos begin, Nanos end) const {
    return begin >= last_at_ ? Nanos{0} : sum(begin, end);
  }

 private:
  Nanos sum(Nanos begin, Nanos end) const;

  static constexpr std::size_t kMost = 4096;  // beyond it the oldest ones are put together
  std::vector<SuspendEvent> all_;
  Nanos total_{};
  Nanos last_at_ = Nanos::min();
};

// Finds them: CLOCK_BOOTTIME goes on while the host is suspended, CLOCK_MONOTONIC does not.
class SuspendWatch {
 public:
  // `ahead`: CLOCK_BOOTTIME - CLOCK_MONOTONIC at `now`. The first call has nothing to compare with.
  std::optional<SuspendEvent> compare(Nanos now, Nanos ahead);

 private:
  std::optional<Nanos> ahead_;
  Nanos compared_at_{};
};

}  // namespace tcpdwell
