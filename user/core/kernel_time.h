// SPDX-License-Identifier: Apache-2.0
// The kernel's own clocks, as far as its sockets carry them.
#pragma once

#include <chrono>
#include <cstdint>

#include "core/types.h"

namespace tcpdwell {

// TCP_TIMEWAIT_LEN, what every (re-)arm in TIME_WAIT sets.
inline constexpr Nanos kTimeWaitLength = std::chrono::seconds{60};

// `stamp` is the low 32 bits of a CLOCK_MONOTONIC time in ms that lies within 49 days before `now`.
inline Nanos unwrap_ms(std::uint32_t stamp, Nanos now) {
  constexpr std::int64_t kNanosPerMilli = 1'000'000;
  const std::int64_t now_ms = now.count() / kNanosPerMilli;
  const auto back = static_cast<std::uint32_t>(now_ms) - stamp;
  return Nanos{(now_ms - back) * kNanosPerMilli};
}

}  // namespace tcpdwell
