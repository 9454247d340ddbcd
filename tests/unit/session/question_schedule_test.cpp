// SPDX-License-Identifier: Apache-2.0
// When the kernel is asked: flags soon, unexplained ends when it is cheap.
#include "session/question_schedule.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// When a question that begins to wait at 10 s is asked, if the query before began `ago` earlier.
Nanos asked_at(bool for_flag, Nanos cost, Nanos ago) {
  QuestionSchedule schedule;
  schedule.waits(10s - ago, for_flag);
  schedule.asks(10s - ago);
  schedule.ended(cost);
  EXPECT_EQ(schedule.due(), std::nullopt);
  schedule.waits(10s, for_flag);
  return *schedule.due();
}

TEST(QuestionSchedule, QuestionsOfOneMomentShareAQuery) {
  QuestionSchedule schedule;
  EXPECT_EQ(schedule.due(), std::nullopt);
  schedule.waits(10s, true);
  schedule.waits(10s + 20ms, true);
  EXPECT_EQ(schedule.due(), 10s + 50ms);
  EXPECT_EQ(asked_at(true, 70ms, 9s), 10s + 20ms) << "a slow query begins earlier";
}

TEST(QuestionSchedule, AFlagTakesFivePercentOfACpu) {
  EXPECT_EQ(asked_at(true, 1ms, 0s), 10s + 50ms);
  EXPECT_EQ(asked_at(true, 10ms, 0s), 10s + 200ms);
  EXPECT_EQ(asked_at(true, 10ms, 100ms), 10s + 100ms);
  EXPECT_EQ(asked_at(true, 500ms, 0s), 11s) << "or more: it is a second late at most";
}

TEST(QuestionSchedule, AnUnexplainedEndTakesTwoPercent) {
  EXPECT_EQ(asked_at(false, 1ms, 0s), 10s + 50ms);
  EXPECT_EQ(asked_at(false, 20ms, 0s), 11s);
  EXPECT_EQ(asked_at(false, 500ms, 0s), 14s) << "or more: its connection waits 5 s for the answer";
}

TEST(QuestionSchedule, AFlagTakesWaitingEndsWithIt) {
  QuestionSchedule schedule;
  schedule.waits(1s, false);
  schedule.asks(1s);
  schedule.ended(80ms);
  schedule.waits(1100ms, false);
  EXPECT_EQ(schedule.due(), 5s);
  schedule.waits(1200ms, true);
  EXPECT_EQ(schedule.due(), 2200ms);
  schedule.asks(2200ms);
  EXPECT_EQ(schedule.due(), std::nullopt);
}

}  // namespace
}  // namespace tcpdwell
