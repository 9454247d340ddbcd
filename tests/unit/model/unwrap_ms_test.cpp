// SPDX-License-Identifier: Apache-2.0
// Unwraps 32-bit millisecond stamps, which wrap every 49.7 days.
#include "model/kernel_time.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kTurnMs = std::int64_t{1} << 32U;
constexpr Nanos kTurn{kTurnMs * 1'000'000};

std::uint32_t stamp_at(Nanos at) { return static_cast<std::uint32_t>(at.count() / 1'000'000); }

TEST(UnwrapMs, ReturnsLatestTimeWithThisStamp) {
  for (const Nanos now : {Nanos(1000s), kTurn - 1ms, kTurn, kTurn + 5s, 7 * kTurn + 123456s})
    for (const Nanos ago : {Nanos{0}, Nanos(1ms), Nanos(5s), Nanos(999s)})
      EXPECT_EQ(unwrap_ms(stamp_at(now - ago), now), now - ago)
          << ago.count() << " before " << now.count();
}

TEST(UnwrapMs, RoundsDownToMilliseconds) {
  EXPECT_EQ(unwrap_ms(1000, 1000ms + 999'999ns), 1000ms);
  EXPECT_EQ(unwrap_ms(999, 1000ms), 999ms);
}

TEST(UnwrapMs, ReachesBackAlmostOneWrap) {
  const Nanos now = 2 * kTurn;
  EXPECT_EQ(unwrap_ms(1, now), kTurn + 1ms);
  EXPECT_EQ(unwrap_ms(UINT32_MAX, now), now - 1ms);
}

TEST(UnwrapMs, FutureStampIsBeforeBoot) {
  EXPECT_LT(unwrap_ms(2000, 1s), Nanos{0}) << "the caller clamps it";
}

TEST(TimeWaitLength, MatchesTheKernel) { EXPECT_EQ(kTimeWaitLength, 60s); }

}  // namespace
}  // namespace tcpdwell
