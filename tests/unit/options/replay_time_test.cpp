// SPDX-License-Identifier: Apache-2.0
// Times of --since and --until: how they are typed, and which moment of a recording they are.
#include "options/replay_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <string>

#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using namespace std::chrono_literals;
using testing::HasSubstr;
using Kind = ReplayTime::Kind;

constexpr Nanos kNoon = 1'795'953'600s;  // 2026-11-29T12:00:00Z

// The time zone of the process, for one test.
class Zone {
 public:
  explicit Zone(const char* zone) {
    const char* before = ::getenv("TZ");
    if (before != nullptr) before_ = before;
    had_ = before != nullptr;
    ::setenv("TZ", zone, 1);
    ::tzset();
  }
  ~Zone() {
    had_ ? ::setenv("TZ", before_.c_str(), 1) : ::unsetenv("TZ");
    ::tzset();
  }
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

 private:
  std::string before_;
  bool had_ = false;
};

Nanos absolute(std::string_view text) {
  const auto time = parse_replay_time(text);
  EXPECT_TRUE(time && time->kind == Kind::Absolute) << text;
  return time ? time->value : Nanos{};
}

Nanos of_day(std::string_view text) {
  const auto time = parse_replay_time(text);
  EXPECT_TRUE(time && time->kind == Kind::OfDay) << text;
  return time ? time->value : Nanos{};
}

TEST(ReplayTime, AbsoluteTimes) {
  const Zone zone("UTC-3");  // three hours ahead
  for (const char* text : {"2026-11-29T12:00:00Z", "2026-11-29T12:00Z", "2026-11-29 12:00:00Z",
                           "2026-11-29T12:00:00.000Z", "2026-11-29T14:00:00+02:00",
                           "2026-11-29T07:00:00-0500", "2026-11-29T15:00:00", "2026-11-29 15:00"})
    EXPECT_EQ(absolute(text), kNoon) << text;
  EXPECT_EQ(absolute("2026-11-29T12:00:00.123456789Z"), kNoon + 123456789ns);
  EXPECT_EQ(absolute("1970-01-01T00:00:00Z"), 0ns);
}

TEST(ReplayTime, TimesOfDayAndOffsets) {
  EXPECT_EQ(of_day("03:12"), 3h + 12min);
  EXPECT_EQ(of_day("23:59:59.5"), 24h - 500ms);
  EXPECT_EQ(parse_replay_time("+90s")->value, 90s);
  EXPECT_EQ(parse_replay_time("+90")->value, 90s);
  EXPECT_EQ(parse_replay_time("+1h30m")->kind, Kind::Offset);
}

TEST(ReplayTime, RefusesAnythingElse) {
  for (const char* text : {"",
                           "+",
                           "90s",
                           "3:12",
                           "03:1",
                           "03:12:",
                           "03:12.5",
                           "24:00",
                           "03:60",
                           "03:12x",
                           " 03:12",
                           "0312",
                           "-1s",
                           "+-1s",
                           "+999999h",
                           "2026-11-29",
                           "2026-11-29T",
                           "2026-11-31T00:00Z",
                           "2026-13-01T00:00Z",
                           "2026-11-29T12:00:00ZZ",
                           "2026-11-29T12:00:00+2",
                           "11-29T12:00",
                           "2026-11-29T12:00:00.Z",
                           "yesterday",
                           "+03:12",
                           "20260-11-29T12:00Z",
                           "-026-11-29T12:00Z"})
    EXPECT_FALSE(parse_replay_time(text)) << text;
  EXPECT_THAT(error({"replay", "f", "--since", "soon"}),
              HasSubstr("--since: \"soon\" is not a time (03:12, 2026-"));
  EXPECT_THAT(error({"replay", "f", "--since", "+9s", "--until", "+9s"}),
              HasSubstr("--until: is not later than --since"));
}

// Where the moment lies, in seconds after the beginning; -1: not within two days.
int second_of(const char* text, Nanos begin) {
  const ReplayMoment moment(*parse_replay_time(text), {.mono = 500s, .unix_time = begin});
  for (int second = 0; second <= 2 * 86400; ++second)
    if (moment.is_reached({.mono = 500s + std::chrono::seconds{second},
                           .unix_time = begin + std::chrono::seconds{second}}))
      return second;
  return -1;
}

TEST(ReplayMoment, FirstMomentOfTheDayThatTheRecordingHas) {
  const Zone zone("UTC-3");
  EXPECT_EQ(second_of("15:00", kNoon), 0) << "it began then, in local time";
  EXPECT_EQ(second_of("15:01:30", kNoon), 90);
  EXPECT_EQ(second_of("14:59", kNoon), 86340) << "of the next day";
  EXPECT_EQ(second_of("15:00", kNoon + 17s), 0) << "the recording begins in that minute";
  EXPECT_EQ(second_of("15:00:10", kNoon + 17s), 0);
  EXPECT_EQ(second_of("00:00", kNoon), 9 * 3600);
}

TEST(ReplayMoment, FollowsTheClockOnTheWallAcrossASummerTime) {
  const Zone zone("CET-1CEST,M3.5.0,M10.5.0/3");
  constexpr Nanos kEve = 1'774'738'800s;  // 2026-03-29 00:00 CET; at 02:00 it becomes 03:00
  EXPECT_EQ(second_of("04:00", kEve), 3 * 3600);
}

TEST(ReplayMoment, OffsetsFollowTheMonotonicClock) {
  EXPECT_EQ(second_of("+90s", kNoon), 90);
  const ReplayMoment moment(*parse_replay_time("+10s"), {.mono = 500s, .unix_time = kNoon});
  EXPECT_FALSE(moment.is_reached({.mono = 509s, .unix_time = kNoon + 1h})) << "a step of the clock";
  EXPECT_TRUE(moment.is_reached({.mono = 510s, .unix_time = {}})) << "the wall clock is not known";
}

TEST(ReplayOptions, CommandsBelowReplay) {
  EXPECT_EQ(options({"replay", "f"}).replay, Options::Replay::Trace);
  EXPECT_EQ(options({"replay", "f", "trace"}).replay, Options::Replay::Trace);
  EXPECT_EQ(options({"replay", "f", "stats", "5s"}).replay, Options::Replay::Stats);
  EXPECT_EQ(options({"replay", "f", "info", "--json"}).replay, Options::Replay::Info);
  const Options leaks = options({"replay", "f", "leaks", "--until", "+5s", "--sort", "age"});
  EXPECT_EQ(leaks.replay, Options::Replay::Leaks);
  EXPECT_EQ(leaks.until->value, 5s);
  EXPECT_EQ(leaks.leak_view.order, LeakOrder::Age);
  EXPECT_THAT(error({"replay", "f", "leaks", "--since", "+5s"}), HasSubstr("with leaks"));
  EXPECT_THAT(error({"replay", "f", "info", "--until", "+5s"}), HasSubstr("with info"));
  EXPECT_THAT(error({"replay", "f", "leaks", "--only", "flag"}), HasSubstr("with leaks"));
  EXPECT_THAT(error({"replay", "f", "leaks", "--watch", "5s"}), HasSubstr("--watch"));
}

TEST(LeakOptions, ScansOrderAndLimits) {
  const Options read = options({"leaks", "--watch", "1m", "--count", "10", "--growth", "0.5/min",
                                "--min-count", "3", "--top", "2", "--sort", "count"});
  EXPECT_EQ(read.scans, 10U);
  EXPECT_EQ(read.leak_limits.growth, 0.5);
  EXPECT_EQ(read.leak_limits.count, 3U);
  EXPECT_EQ(read.leak_view.most, 2U);
  EXPECT_EQ(options({"leaks"}).leak_limits.count, 1U);
  for (const char* option : {"--count", "--growth"})
    EXPECT_THAT(error({"leaks", option, "5/min"}), HasSubstr("requires --watch D"));
  for (const char* growth : {"5", "/min", "0/min", "-1/min", "5/s", "nan/min", "1e3/min", "5 /min"})
    EXPECT_THAT(error({"leaks", "--watch", "1", std::string("--growth=") + growth}),
                HasSubstr("is not a number of sockets a minute"))
        << growth;
  EXPECT_THAT(error({"leaks", "--watch", "1", "--count", "1", "--growth", "1/min"}),
              HasSubstr("needs two scans"));
  EXPECT_THAT(error({"leaks", "--json", "--top", "1"}), HasSubstr("with --json"));
  EXPECT_THAT(error({"leaks", "--sort", "size"}), HasSubstr("is not count or age"));
}

}  // namespace
}  // namespace tcpdwell
