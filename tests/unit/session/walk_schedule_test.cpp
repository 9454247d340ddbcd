// SPDX-License-Identifier: Apache-2.0
// When a walk through all sockets is due: after a hidden event, when it is wanted, and by its cost.
#include "session/walk_schedule.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// The walks from `now` on until `end`, if `due` is asked every 10 ms.
int walks(WalkSchedule& schedule, Nanos now, Nanos end, bool wanted = false) {
  int count = 0;
  for (; now < end; now += 10ms)
    if (schedule.due(now, wanted)) schedule.begins(now), ++count;
  return count;
}

TEST(WalkSchedule, WithoutAReasonNever) {
  WalkSchedule schedule;
  schedule.begins(1s);
  EXPECT_EQ(walks(schedule, 1s, 1h), 0);
}

TEST(WalkSchedule, AWantedOneWaitsASecondAfterTheLast) {
  WalkSchedule schedule;
  schedule.begins(10s);
  EXPECT_FALSE(schedule.due(10'990ms, true));
  EXPECT_TRUE(schedule.due(11s, true));
  EXPECT_FALSE(schedule.due(1h, false)) << "only while it is wanted";
}

TEST(WalkSchedule, OftenAfterAHiddenEvent) {
  WalkSchedule schedule;
  schedule.begins(1s);
  schedule.note_unseen(1, 10s);
  EXPECT_TRUE(schedule.due(10s, false));
  EXPECT_EQ(walks(schedule, 10s, 40s), 75) << "every 400 ms";
  EXPECT_LT(walks(schedule, 40s, 10min), 30) << "then rarely";
  EXPECT_GE(walks(schedule, 10min, 20min), 19) << "but at least every 30 s";
}

TEST(WalkSchedule, AnotherHiddenEventMakesThemFrequentAgain) {
  WalkSchedule schedule;
  schedule.note_unseen(1, 10s);
  walks(schedule, 10s, 1h);
  schedule.note_unseen(1, 1h);
  EXPECT_LE(walks(schedule, 1h, 1h + 30s), 1) << "the same one";
  schedule.note_unseen(2, 2h);
  EXPECT_EQ(walks(schedule, 2h, 2h + 30s), 75);
}

TEST(WalkSchedule, ACostlyWalkTakesItsShareOfACpu) {
  WalkSchedule schedule;
  schedule.note_unseen(1, 10s);
  schedule.begins(10s);
  schedule.ended(500ms);
  EXPECT_FALSE(schedule.due(19'990ms, true));
  EXPECT_TRUE(schedule.due(20s, true)) << "a twentieth";
}

}  // namespace
}  // namespace tcpdwell
