// SPDX-License-Identifier: Apache-2.0
// The sample of whole lives.
#include "report/lives.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "support/reported.h"

namespace tcpdwell::report_story {
namespace {

using reporting::Life;
using reporting::Span;
using testing::SizeIs;

std::string path(const Life& life) {
  std::string text;
  for (const Span& span : life.spans) {
    text += (text.empty() ? "" : ", ") + std::string(name(span.state)) + ' ';
    text += span.error ? "" : ">=";
    text += std::to_string((span.end - span.begin) / 1ms) + "ms";
  }
  return text;
}

TEST(Lives, HasAllStatesOfALife) {
  Reported reported;
  reported.connects(1, 1s);
  reported.peer_closes(1, 3s);
  reported.closes(1, 4s);
  const ReportData data = reported.finish(10s);
  ASSERT_THAT(data.lives, SizeIs(1));
  const Life& life = data.lives.front();
  EXPECT_EQ(path(life), "SYN_SENT 1ms, ESTABLISHED 1999ms, CLOSE_WAIT 1000ms, LAST_ACK 1ms");
  EXPECT_TRUE(life.over);
  EXPECT_EQ(life.closed_by, Side::Remote);
  EXPECT_EQ(life.spans.front().why, Why::Connect);
  EXPECT_EQ(life.spans.front().begin, kBegan + 1s);
  EXPECT_EQ(data.services[data.places[life.service]].name, "app");
}

TEST(Lives, OpenOnesEndWithTheReport) {
  Reported reported;
  reported.connects(1, 1s);
  const ReportData data = reported.finish(10s);
  ASSERT_THAT(data.lives, SizeIs(1));
  EXPECT_EQ(path(data.lives.front()), "SYN_SENT 1ms, ESTABLISHED 8999ms");
  EXPECT_FALSE(data.lives.front().over);
}

TEST(Lives, OlderSocketsBeginWithALowerBound) {
  Reported reported;
  SnapshotEvent found{.at = kBegan + 5ms, .kind = SocketKind::Full, .object = 0x1001, .cookie = 1};
  found.flow = make_flow();
  found.state = State::Established;
  found.attached = true;
  reported.table.snapshot_begins();
  reported.table.on(found);
  reported.table.snapshot_ended();
  const ReportData data = reported.finish(10s);
  ASSERT_THAT(data.lives, SizeIs(1));
  EXPECT_EQ(data.lives.front().spans.back().error, std::nullopt);
}

// 1000 connections, of which the last three are stuck.
ReportData crowd(std::size_t most) {
  Reported reported(most);
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    reported.connects(i, 1ms * static_cast<int>(i));
    reported.peer_closes(i, 2s + 1ms * static_cast<int>(i));
    if (i <= 997) reported.closes(i, 4s + 1ms * static_cast<int>(i));
  }
  for (std::uint64_t i = 998; i <= 1000; ++i)
    reported.collector.write(reported.flag(i, 2s + 1ms * static_cast<int>(i), 63s));
  return reported.finish(70s);
}

TEST(Lives, KeepsFlaggedOnesFirstAndSamplesTheOthers) {
  const ReportData data = crowd(100);
  EXPECT_LE(data.lives.size(), 100U);
  EXPECT_GT(data.lives.size(), 40U);
  EXPECT_EQ(data.connections(), 1000U);
  EXPECT_EQ(data.flagged_lives, 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_THAT(data.lives[i].marks, SizeIs(1)) << "flagged ones are first";
    EXPECT_EQ(data.lives[i].cookie, 998 + i) << "the oldest first";
    EXPECT_EQ(path(data.lives[i]).substr(0, 33), "SYN_SENT 1ms, ESTABLISHED 1999ms,")
        << "also if the sample left it out before its flag";
  }
  for (std::size_t i = 3; i < data.lives.size(); ++i)
    EXPECT_THAT(data.lives[i].spans, SizeIs(4)) << "whole lives only";
  EXPECT_NEAR(data.one_of * static_cast<double>(data.lives.size() - 3), 1000, 350);
}

TEST(Lives, TheSameRunHasTheSameSample) {
  const ReportData one = crowd(64), other = crowd(64);
  ASSERT_EQ(one.lives.size(), other.lives.size());
  for (std::size_t i = 0; i < one.lives.size(); ++i)
    EXPECT_EQ(one.lives[i].cookie, other.lives[i].cookie);
}

TEST(Lives, FewEnoughAreAllThere) {
  const ReportData data = crowd(2000);
  EXPECT_THAT(data.lives, SizeIs(1000));
  EXPECT_DOUBLE_EQ(data.one_of, 1);
}

TEST(Lives, MoreFlaggedOnesThanFitAreCounted) {
  Reported reported(5);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    reported.connects(i, 1s);
    reported.peer_closes(i, 2s + 1ms * static_cast<int>(i));
    reported.collector.write(reported.flag(i, 2s + 1ms * static_cast<int>(i), 63s));
  }
  const ReportData data = reported.finish(70s);
  EXPECT_EQ(data.flagged_lives, 20U);
  EXPECT_THAT(data.lives, SizeIs(5));
  for (const Life& life : data.lives) EXPECT_THAT(life.marks, SizeIs(1));
}

}  // namespace
}  // namespace tcpdwell::report_story
