// SPDX-License-Identifier: Apache-2.0
// Converts time stamps and jiffies of kernel sockets to CLOCK_MONOTONIC.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "model/types.h"

namespace tcpdwell {

// TCP_TIMEWAIT_LEN. The kernel sets it whenever it arms or re-arms the timer of a TIME_WAIT.
inline constexpr Nanos kTimeWaitLength = std::chrono::seconds{60};

// `stamp` is the low 32 bits of a CLOCK_MONOTONIC time in multiples of `unit`. Returns the latest
// such time that is not after `now`.
inline Nanos unwrap(std::uint32_t stamp, Nanos unit, Nanos now) {
  const auto back = static_cast<std::uint32_t>(now / unit) - stamp;
  return (now / unit - back) * unit;
}
inline Nanos unwrap_ms(std::uint32_t stamp, Nanos now) {
  return unwrap(stamp, std::chrono::milliseconds{1}, now);
}

// True if the 32 bits can have wrapped since boot: the result of unwrap() may then be late by one
// or more turns.
inline bool may_have_wrapped(Nanos unit, Nanos now) { return now / unit > UINT32_MAX; }

// Converts "so many jiffies ago", read at `now`, to a time since boot.
class JiffyTimes {
 public:
  JiffyTimes(Nanos now, unsigned hz)
      : now_(now), length_(1'000'000'000 / static_cast<std::int64_t>(hz)) {}

  Nanos length() const { return length_; }
  // `ago` has all 64 bits; negative: in the future.
  Nanos at(std::int64_t ago) const { return now_ - ago * length_; }
  // The latest time at which a 32-bit stamp can have been set. A stamp that was never set (nullopt)
  // gives `now`.
  Nanos latest(const std::optional<std::uint32_t>& ago) const {
    return ago && *ago > 0 ? at(*ago - 1) : now_;
  }
  // The earliest time. nullopt: the stamp was never set, or it may have wrapped. The margin is for
  // a CPU whose tick is late.
  std::optional<Nanos> earliest(const std::optional<std::uint32_t>& ago) const {
    if (!ago || may_have_wrapped(length_, now_)) return std::nullopt;
    return at(std::int64_t{*ago} + 1) - kLateTick;
  }
  // The latest time, with a margin for a CPU whose tick was late.
  std::optional<Nanos> next(const std::optional<std::uint32_t>& ago) const {
    if (!ago) return std::nullopt;
    return latest(ago) + kLateTick;
  }

 private:
  static constexpr Nanos kLateTick = std::chrono::milliseconds{20};

  Nanos now_, length_;
};

}  // namespace tcpdwell
