// SPDX-License-Identifier: Apache-2.0
#include "host/tcp_timeouts.h"

#include <algorithm>
#include <bit>

#include "model/kernel_time.h"

namespace tcpdwell {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;
constexpr unsigned kLevelBits = 3;    // LVL_CLK_SHIFT: each level is 8 times as coarse
constexpr std::uint64_t kSlots = 64;  // LVL_SIZE
constexpr unsigned kLevels = 9;       // LVL_DEPTH where HZ is above 100

std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) { return (value + by - 1) / by; }

}  // namespace

TimerBounds timer_bounds(Nanos timeout, unsigned hz) {
  const auto jiffies =
      divide_up(static_cast<std::uint64_t>(timeout.count()) * hz, std::uint64_t{kNanosPerSecond});
  unsigned level = 0;
  while (level + 1 < kLevels && jiffies >= (kSlots - 1) << (kLevelBits * level)) ++level;
  const std::uint64_t granule = std::uint64_t{1} << (kLevelBits * level);
  return {timeout, timeout + Nanos{static_cast<std::int64_t>(
                                 divide_up(granule * std::uint64_t{kNanosPerSecond}, hz))}};
}

Nanos model_timeout(unsigned retries, Nanos first, Nanos rto_max) {
  const auto ratio = static_cast<std::uint64_t>(std::max<std::int64_t>(rto_max / first, 1));
  const auto doubling = static_cast<unsigned>(std::bit_width(ratio) - 1);
  const unsigned doubled = std::min(retries, doubling);
  return ((std::int64_t{2} << doubled) - 1) * first + (retries - doubled) * rto_max;
}

Nanos syn_timeout(unsigned retries, unsigned linear, Nanos rto_max) {
  const Nanos most = model_timeout(retries, kInitialRto, rto_max);
  Nanos rto = kInitialRto, at = rto;
  for (unsigned sent = 0; sent < retries + linear && (sent == 0 || at < most);) {
    ++sent;
    if (sent > linear) rto = std::min(2 * rto, rto_max);
    at += rto;
  }
  return at;
}

Nanos syn_ack_timeout(unsigned retries, Nanos rto_max) {
  Nanos rto = kInitialRto, at = rto;
  for (unsigned sent = 0; sent < retries; ++sent) {
    rto = std::min(2 * rto, rto_max);
    at += rto;
  }
  return at;
}

Nanos orphan_timeout(Nanos fin_timeout) {
  return fin_timeout <= kTimeWaitLength ? fin_timeout : 2 * (fin_timeout - kTimeWaitLength);
}

}  // namespace tcpdwell
