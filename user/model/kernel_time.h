// SPDX-License-Identifier: Apache-2.0
// The kernel's own clocks, as far as its sockets carry them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "model/types.h"

namespace tcpdwell {

// TCP_TIMEWAIT_LEN, what every (re-)arm in TIME_WAIT sets.
inline constexpr Nanos kTimeWaitLength = std::chrono::seconds{60};

// `stamp` is the low 32 bits of a CLOCK_MONOTONIC time in such units; the latest before `now` that
// it can be.
inline Nanos unwrap(std::uint32_t stamp, Nanos unit, Nanos now) {
  const auto back = static_cast<std::uint32_t>(now / unit) - stamp;
  return (now / unit - back) * unit;
}
inline Nanos unwrap_ms(std::uint32_t stamp, Nanos now) {
  return unwrap(stamp, std::chrono::milliseconds{1}, now);
}

// ... but that may be one turn of its 32 bits too late, or several: all clocks begin at boot.
inline bool may_have_wrapped(Nanos unit, Nanos now) { return now / unit > UINT32_MAX; }

// What was so many jiffies ago, seen at a time since boot.
class JiffyTimes {
 public:
  JiffyTimes(Nanos now, unsigned hz)
      : now_(now), length_(1'000'000'000 / static_cast<std::int64_t>(hz)) {}

  Nanos length() const { return length_; }
  // Of 64 bits; negative: in the future.
  Nanos at(std::int64_t ago) const { return now_ - ago * length_; }
  // The latest that a stamp of 32 bits can have been set. nullopt was never set: now.
  Nanos latest(const std::optional<std::uint32_t>& ago) const {
    return ago && *ago > 0 ? at(*ago - 1) : now_;
  }
  // The earliest. nullopt: never, or it may have wrapped. A CPU that waits for its tick counts
  // late.
  std::optional<Nanos> earliest(const std::optional<std::uint32_t>& ago) const {
    if (!ago || may_have_wrapped(length_, now_)) return std::nullopt;
    return at(std::int64_t{*ago} + 1) - kLateTick;
  }
  // The latest, on a CPU whose tick was late.
  std::optional<Nanos> next(const std::optional<std::uint32_t>& ago) const {
    if (!ago) return std::nullopt;
    return latest(ago) + kLateTick;
  }

 private:
  static constexpr Nanos kLateTick = std::chrono::milliseconds{20};

  Nanos now_, length_;
};

}  // namespace tcpdwell
