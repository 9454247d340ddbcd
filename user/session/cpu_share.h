// SPDX-License-Identifier: Apache-2.0
// Limits the CPU time of queries to the kernel: 5 % of one CPU, and 0.1 % for periodic queries.
#pragma once

#include <ctime>

#include "model/types.h"

namespace tcpdwell {

// The pause after a walk, as a multiple of its CPU time.
inline constexpr std::int64_t kShares = 20, kRareShares = 1000;
// The longest pause.
inline constexpr Nanos kMostWait = std::chrono::seconds{1};

// CPU time of the calling thread.
inline Nanos thread_cpu_time() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds{now.tv_sec} + Nanos{now.tv_nsec};
}

}  // namespace tcpdwell
