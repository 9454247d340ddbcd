// SPDX-License-Identifier: Apache-2.0
// Limits the CPU time of queries to the kernel: 5 % of one CPU, and 0.1 % for periodic queries.
#pragma once

#include "model/types.h"
#include "util/cpu_time.h"

namespace tcpdwell {

// The pause after a walk, as a multiple of its CPU time.
inline constexpr std::int64_t kShares = 20, kRareShares = 1000;
// The longest pause.
inline constexpr Nanos kMostWait = std::chrono::seconds{1};

}  // namespace tcpdwell
