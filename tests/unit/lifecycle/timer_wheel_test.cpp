// SPDX-License-Identifier: Apache-2.0
// One deadline per id, any number, any distance: never early, at most a tick late.
#include "lifecycle/timer_wheel.h"

#include <absl/container/flat_hash_map.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <optional>
#include <utility>
#include <vector>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr Nanos kTick = TimerWheel::kTick;
constexpr Nanos kStart = 1000s;

// Keeps the handle of each id's deadline.
class Wheel {
 public:
  using Id = TimerWheel::Id;
  explicit Wheel(Nanos start) : wheel_(start) {}
  void schedule(Id id, Nanos deadline) {
    handles_[id] = wheel_.schedule(handles_[id], id, deadline);
  }
  void cancel(Id id) { wheel_.cancel(std::exchange(handles_[id], 0)); }
  template <typename Fn>
  void advance(Nanos now, Fn&& fire) {
    wheel_.advance(now, [&](Id id) {
      handles_[id] = 0;
      fire(id);
    });
  }
  std::optional<Nanos> next_within(Nanos horizon) const { return wheel_.next_within(horizon); }
  std::size_t size() const { return wheel_.size(); }

 private:
  TimerWheel wheel_;
  absl::flat_hash_map<Id, TimerWheel::Handle> handles_;
};

std::vector<TimerWheel::Id> fired_by(Wheel& wheel, Nanos now) {
  std::vector<TimerWheel::Id> ids;
  wheel.advance(now, [&](TimerWheel::Id id) { ids.push_back(id); });
  return ids;
}

TEST(TimerWheel, FiresOnceNeverEarlyAndAtMostATickLate) {
  // On all levels, on their borders, and past the last one (417 days).
  for (const Nanos wait :
       {Nanos{1}, kTick - Nanos{1}, kTick, kTick + Nanos{1}, 255 * kTick, 256 * kTick, 257 * kTick,
        65535 * kTick, 65536 * kTick + Nanos{1}, Nanos(60s), Nanos(65s), Nanos(1h)})
    for (const Nanos start : {Nanos{0}, kStart, 255 * kTick, 256 * kTick, 65535 * kTick}) {
      Wheel wheel(start);
      wheel.schedule(7, start + wait);
      EXPECT_THAT(fired_by(wheel, start + wait - Nanos{1}), IsEmpty())
          << wait.count() << " ns after " << start.count();
      EXPECT_THAT(fired_by(wheel, start + wait + kTick), ElementsAre(7))
          << wait.count() << " ns after " << start.count();
      EXPECT_THAT(fired_by(wheel, start + wait + 1h), IsEmpty()) << "once";
      EXPECT_EQ(wheel.size(), 0U);
    }
}

TEST(TimerWheel, FiresInTheOrderOfDeadlines) {
  Wheel wheel(kStart);
  constexpr std::uint32_t kCount = 2000;
  std::vector<Nanos> deadlines;
  std::uint64_t seed = 1;
  for (TimerWheel::Id id = 0; id < kCount; ++id) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    deadlines.push_back(kStart + Nanos{static_cast<std::int64_t>(seed >> 23U)});  // up to 36 min
    wheel.schedule(id, deadlines.back());
  }
  const auto order = fired_by(wheel, kStart + 1h);
  ASSERT_EQ(order.size(), kCount);
  for (std::size_t i = 1; i < order.size(); ++i)
    ASSERT_LT(deadlines[order[i - 1]], deadlines[order[i]] + kTick) << "to a tick";
}

TEST(TimerWheel, LeapAndSmallStepsFireTheSame) {
  Wheel leaping(kStart), stepping(kStart);
  for (TimerWheel::Id id = 0; id < 100; ++id)
    for (Wheel* wheel : {&leaping, &stepping}) wheel->schedule(id, kStart + id * 10s);
  std::vector<TimerWheel::Id> steps;
  for (Nanos now = kStart; now < kStart + 2000s; now += 77ms)
    stepping.advance(now, [&](TimerWheel::Id id) { steps.push_back(id); });
  EXPECT_EQ(fired_by(leaping, kStart + 2000s), steps);
  EXPECT_EQ(steps.size(), 100U);
}

TEST(TimerWheel, PastDeadlineFiresAtTheNextTick) {
  Wheel wheel(kStart);
  wheel.schedule(1, kStart - 1h);
  wheel.schedule(2, Nanos{-1});
  EXPECT_THAT(fired_by(wheel, kStart), IsEmpty());
  EXPECT_THAT(fired_by(wheel, kStart + kTick), UnorderedElementsAre(1, 2));
}

TEST(TimerWheel, RescheduleMovesTheDeadline) {
  Wheel wheel(kStart);
  wheel.schedule(1, kStart + 10s);
  wheel.schedule(1, kStart + 1h);
  EXPECT_EQ(wheel.size(), 1U);
  EXPECT_THAT(fired_by(wheel, kStart + 59min), IsEmpty());
  wheel.schedule(1, kStart + 59min + 1s);
  EXPECT_THAT(fired_by(wheel, kStart + 59min + 2s), ElementsAre(1)) << "moved back";
  EXPECT_THAT(fired_by(wheel, kStart + 2h), IsEmpty());
}

TEST(TimerWheel, CancelledDoesNotFire) {
  Wheel wheel(kStart);
  for (TimerWheel::Id id = 0; id < 5; ++id) wheel.schedule(id, kStart + 10s);  // in one slot
  for (const TimerWheel::Id id : {0U, 2U, 4U}) wheel.cancel(id);
  wheel.cancel(2);       // twice
  wheel.cancel(77);      // never scheduled
  wheel.cancel(100000);  // unknown id
  EXPECT_EQ(wheel.size(), 2U);
  EXPECT_THAT(fired_by(wheel, kStart + 20s), UnorderedElementsAre(1, 3));
}

TEST(TimerWheel, CallbackMayScheduleAndCancel) {
  Wheel wheel(kStart);
  for (const TimerWheel::Id id : {1U, 2U, 3U}) wheel.schedule(id, kStart + 1s);
  std::vector<TimerWheel::Id> fired;
  wheel.advance(kStart + 10s, [&](TimerWheel::Id id) {
    fired.push_back(id);
    if (fired.size() == 1) {
      for (const TimerWheel::Id other : {1U, 2U, 3U})
        if (other != id) wheel.cancel(other);
      wheel.schedule(id, kStart + 2s);
    }
  });
  ASSERT_EQ(fired.size(), 2U);
  EXPECT_EQ(fired[0], fired[1]) << "the others were cancelled, this one was scheduled again";
}

TEST(TimerWheel, DeadlineBeyondTheLastLevelWaits) {
  Wheel wheel(Nanos{0});
  constexpr std::int64_t kTurn = std::int64_t{1} << 32U;  // ticks: 417 days
  wheel.schedule(1, (kTurn + 1000) * kTick);
  EXPECT_FALSE(wheel.next_within(1s));
  // Without turns the deadline would be due now. Stepping through all ticks would take a minute.
  EXPECT_THAT(fired_by(wheel, 1000 * kTick), IsEmpty()) << "not a turn too early";
  EXPECT_EQ(wheel.size(), 1U);
  wheel.cancel(1);
  EXPECT_EQ(wheel.size(), 0U);
}

TEST(TimerWheel, EmptyWheelLeapsOverAnyTime) {
  Wheel wheel(kStart);
  EXPECT_THAT(fired_by(wheel, kStart + 24h * 365 * 100), IsEmpty());
  const Nanos later = kStart + 24h * 365 * 100;
  wheel.schedule(1, later + 1s);
  EXPECT_THAT(fired_by(wheel, later + 1s - kTick), IsEmpty());
  EXPECT_THAT(fired_by(wheel, later + 1s + kTick), ElementsAre(1));
}

TEST(TimerWheel, TimeThatStopsOrGoesBackFiresNothing) {
  Wheel wheel(kStart);
  wheel.schedule(1, kStart + 1s);
  EXPECT_THAT(fired_by(wheel, kStart - 1min), IsEmpty());
  EXPECT_THAT(fired_by(wheel, kStart), IsEmpty());
  EXPECT_THAT(fired_by(wheel, kStart + 2s), ElementsAre(1));
}

TEST(TimerWheel, ReturnsTheNextDeadlineWithinAHorizon) {
  Wheel wheel(kStart);
  EXPECT_FALSE(wheel.next_within(1s)) << "no deadline";
  wheel.schedule(1, kStart + 300ms);
  wheel.schedule(2, kStart + 200ms);
  EXPECT_FALSE(wheel.next_within(100ms));
  const auto next = wheel.next_within(1s);
  ASSERT_TRUE(next);
  EXPECT_GE(*next, kStart + 200ms);
  EXPECT_LE(*next, kStart + 200ms + kTick);
  EXPECT_THAT(fired_by(wheel, *next), ElementsAre(2)) << "due at that time";
}

TEST(TimerWheel, NeverReturnsANextDeadlineTooLate) {
  // When a slot of a coarser level opens, the result may be early, never late.
  Wheel wheel(Nanos{0});
  for (std::int64_t tick = 1; tick < 1000; ++tick) {
    wheel.schedule(0, tick * kTick);
    if (const auto next = wheel.next_within(500ms)) {
      EXPECT_LE(*next, tick * kTick) << tick;
    } else {
      EXPECT_GT(tick * kTick, Nanos(500ms) - kTick) << tick;
    }
  }
}

TEST(TimerWheel, TakesAMillionDeadlines) {
  constexpr std::uint32_t kCount = 1'000'000;
  Wheel wheel(kStart);
  const auto began = std::clock();
  for (TimerWheel::Id id = 0; id < kCount; ++id) wheel.schedule(id, kStart + 60s + Nanos{id} * 60);
  for (TimerWheel::Id id = 0; id < kCount; id += 2) wheel.cancel(id);
  std::uint32_t fired = 0;
  for (Nanos now = kStart; now < kStart + 70s; now += 10ms) {
    wheel.next_within(50ms);
    wheel.advance(now, [&](TimerWheel::Id) { ++fired; });
  }
  EXPECT_EQ(fired, kCount / 2);
  const auto used = static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC;
  EXPECT_LT(used, 40) << "CPU time: entries are never scanned";
}

TEST(TimerWheel, CrossesAnyTimeInAFewSteps) {
  TimerWheel wheel(0s);
  int fired = 0;
  const std::clock_t began = std::clock();
  for (int turn = 1; turn <= 1000; ++turn) {
    wheel.schedule(0, 1, 24h * 30 * turn);
    wheel.schedule(0, 2, 24h * 365 * 100);
    wheel.advance(24h * 30 * turn, [&](TimerWheel::Id id) { fired += id == 1 ? 1 : 0; });
  }
  EXPECT_GE(fired, 999);
  EXPECT_LT(static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC, 10);
}

}  // namespace
}  // namespace tcpdwell
