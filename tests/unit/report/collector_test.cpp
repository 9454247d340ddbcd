// SPDX-License-Identifier: Apache-2.0
// What a report collects from a run.
#include "report/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/reported.h"

namespace tcpdwell::report_story {
namespace {

using testing::SizeIs;

// Four connections of `app`, of which two are in CLOSE_WAIT from 10 s on; one of `db`.
void play(Reported& reported) {
  for (std::uint64_t i = 1; i <= 4; ++i) reported.connects(i, 1s);
  reported.wait(2s);
  reported.connects(5, 3s, "db");
  reported.peer_closes(1, 10s);
  reported.peer_closes(2, 12s);
  reported.peer_closes(3, 20s);
  reported.closes(3, 21s);
  reported.wait(30s);
}

TEST(Collector, CountsAsStatsDoes) {
  Reported reported;
  for (std::uint64_t i = 1; i <= 4; ++i) reported.connects(i, 1s, i == 4 ? "db" : "app");
  reported.peer_closes(1, 10s);
  reported.closes(1, 21s);
  const ReportData data = reported.finish(30s);
  for (const StatsRow& row : data.stats.rows) {
    const auto& sum = data.states[index(row.state)];
    EXPECT_EQ(sum.entered, row.entered) << name(row.state);
    EXPECT_EQ(sum.left, row.left) << name(row.state);
    EXPECT_EQ(sum.dwells.count(), row.dwell.count) << name(row.state);
    EXPECT_EQ(sum.dwells.percentile(0.5), row.dwell.p50) << name(row.state);
  }
  EXPECT_EQ(data.edges[index(State::Established)][index(State::CloseWait)], 1U);
  EXPECT_EQ(data.edges[index(State::Closed)][index(State::SynSent)], 4U);
  ASSERT_THAT(data.services, SizeIs(3)) << "app, db and other";
  EXPECT_EQ(data.services[0].name, "app") << "the busiest first";
  EXPECT_EQ(data.services[1].name, "db");
  EXPECT_EQ(data.services[0].closed_by[static_cast<std::size_t>(Side::Remote)], 1U);
}

TEST(Collector, HasOpenConnectionsOverTime) {
  Reported reported;
  reported.connects(1, 1s);
  reported.wait(1s + 50ms);
  reported.peer_closes(1, 5s);
  reported.wait(5s + 50ms);
  reported.wait(6s);
  const ReportData data = reported.finish(8s);
  EXPECT_EQ(data.series.step, 100ms);
  ASSERT_THAT(data.series.now, SizeIs(81));
  EXPECT_EQ(data.series.now[9][index(State::Established)], 0U);
  EXPECT_EQ(data.series.now[10][index(State::Established)], 1U);
  EXPECT_EQ(data.series.now[49][index(State::Established)], 1U) << "unchanged between samples";
  EXPECT_EQ(data.series.now[50][index(State::CloseWait)], 1U);
  EXPECT_EQ(data.series.opened[10], 1U);
}

TEST(Collector, StuckGroupsAreThoseOfLeaksAndHaveACurve) {
  Reported reported;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    reported.connects(i, 1s);
    reported.peer_closes(i, 2s * static_cast<int>(i));
  }
  for (std::uint64_t i = 1; i <= 4; ++i) {
    reported.wait(60s + 2s * static_cast<int>(i));
    reported.collector.write(
        reported.flag(i, 2s * static_cast<int>(i), 60s + 2s * static_cast<int>(i)));
  }
  FlagRecord over = reported.flag(4, 8s, 75s);
  over.raised = false;
  reported.closes(4, 75s);
  reported.collector.write(over);
  const ReportData data = reported.finish(80s);
  ASSERT_THAT(data.stuck, SizeIs(1));
  EXPECT_EQ(data.stuck.front().group.count, 3U);
  EXPECT_EQ(data.stuck.front().threshold, 60s);
  ASSERT_TRUE(data.stuck.front().growth);
  const auto& growth = data.growth[*data.stuck.front().growth];
  EXPECT_EQ(growth.raised, 4U);
  EXPECT_EQ(growth.open, 3U);
  EXPECT_EQ(growth.most, 4U);
  EXPECT_EQ(growth.first_entered, kBegan + 2s);
  const auto at = [&](Nanos time) { return static_cast<std::size_t>(time / data.series.step); };
  EXPECT_EQ(growth.entered[at(5s)], 2U);
  EXPECT_EQ(growth.past[at(5s)], 0U);
  EXPECT_EQ(growth.past[at(65s)], 2U);
  EXPECT_EQ(growth.past[at(70s)], 4U);
  EXPECT_EQ(growth.past.back(), 3U);
  EXPECT_EQ(growth.entered.back(), 3U);
}

TEST(Collector, SinceForgetsWhatWasBefore) {
  Reported reported;
  play(reported);
  reported.collector.write(reported.flag(1, 10s, 40s));
  reported.collector.begin_at(kBegan + 50s);
  reported.connects(9, 55s);
  reported.wait(56s);
  const ReportData data = reported.finish(60s);
  EXPECT_EQ(data.begin.mono, kBegan + 50s);
  EXPECT_EQ(data.states[index(State::SynSent)].entered, 1U);
  EXPECT_EQ(data.stats.interval, 10s);
  EXPECT_EQ(data.ended, 0U);
  EXPECT_EQ(data.open, 5U);
  ASSERT_THAT(data.stuck, SizeIs(1)) << "its flag is still raised";
  ASSERT_THAT(data.growth, SizeIs(1));
  EXPECT_EQ(data.growth.front().past.front(), 1U);
  EXPECT_EQ(data.growth.front().entered.front(), 1U);
}

TEST(Collector, KeepsLosses) {
  Reported reported;
  reported.table.on(LossEvent{.at = kBegan + 5s, .events = 7, .transitions = 3});
  const ReportData data = reported.finish(10s);
  ASSERT_THAT(data.losses, SizeIs(1));
  EXPECT_EQ(data.losses.front().events, 7U);
}

TEST(Collector, ServicesBeyondTheLimitAreOther) {
  Reported reported;
  for (std::uint64_t i = 0; i < 600; ++i)
    reported.connects(i + 1, 1s, ("app" + std::to_string(i)).c_str());
  const ReportData data = reported.finish(10s);
  EXPECT_THAT(data.services, SizeIs(reporting::Services::kMost));
  EXPECT_EQ(data.services.front().name, "other");
  EXPECT_EQ(data.states[index(State::SynSent)].left, 600U);
}

}  // namespace
}  // namespace tcpdwell::report_story
