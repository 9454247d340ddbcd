// SPDX-License-Identifier: Apache-2.0
// How much of a CPU the questions to the kernel may take: 5 % of one, and 0.1 % those that are
// asked though nothing happened.
#pragma once

#include <ctime>

#include "model/types.h"

namespace tcpdwell {

// A walk that took some CPU time is followed by a pause of so many times as much.
inline constexpr std::int64_t kShares = 20, kRareShares = 1000;
// Nothing waits longer for its share.
inline constexpr Nanos kMostWait = std::chrono::seconds{1};

// Of the calling thread.
inline Nanos thread_cpu_time() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds{now.tv_sec} + Nanos{now.tv_nsec};
}

}  // namespace tcpdwell
