// SPDX-License-Identifier: Apache-2.0
// The options of stats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/command_line.h"

namespace tcpdwell {
namespace {

using namespace command_line;
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(StatsOptions, Defaults) {
  const Options stats = options({"stats"});
  EXPECT_STREQ(stats.subcommand->name, "stats");
  EXPECT_EQ(stats.stats.interval, 10s);
  EXPECT_EQ(stats.intervals, std::nullopt);
  EXPECT_EQ(stats.stats.by, GroupBy::State);
  EXPECT_EQ(stats.stats.rows, 10U);
  EXPECT_EQ(stats.stats.histogram, std::nullopt);
  EXPECT_EQ(stats.thresholds.of[index(State::CloseWait)], 60s);
}

TEST(StatsOptions, IntervalAndCount) {
  EXPECT_EQ(options({"stats", "5"}).stats.interval, 5s);
  EXPECT_EQ(options({"stats", "250ms", "3"}).stats.interval, 250ms);
  EXPECT_EQ(options({"stats", "250ms", "3"}).intervals, 3U);
  EXPECT_EQ(options({"-j", "stats", "1h", "-d", "2h"}).stats.interval, 1h);
  EXPECT_THAT(error({"stats", "0"}), StartsWith("INTERVAL: \"0\" is not a duration"));
  EXPECT_THAT(error({"stats", "fast"}), StartsWith("INTERVAL: \"fast\" is not a duration"));
  EXPECT_THAT(error({"stats", "1", "0"}), StartsWith("COUNT: \"0\" is not a number"));
  EXPECT_THAT(error({"stats", "1", "2s"}), StartsWith("COUNT: \"2s\" is not a number"));
  EXPECT_THAT(error({"stats", "1", "2", "3"}), HasSubstr("3"));
  EXPECT_THAT(error({"stats", ""}), HasSubstr("must not be empty"));
}

TEST(StatsOptions, GroupsAndRows) {
  EXPECT_EQ(options({"stats", "--by", "owner"}).stats.by, GroupBy::Owner);
  EXPECT_EQ(options({"stats", "--by=remote", "--rows=3"}).stats.rows, 3U);
  EXPECT_THAT(error({"stats", "--by", "peer"}), StartsWith("--by: \"peer\" is not one of state"));
  EXPECT_THAT(error({"stats", "--rows", "0"}), StartsWith("--rows: \"0\""));
}

TEST(StatsOptions, Histogram) {
  EXPECT_EQ(options({"stats", "--histogram", "time-wait"}).stats.histogram, State::TimeWait);
  EXPECT_THAT(error({"stats", "--histogram", "CLOSED"}), StartsWith("--histogram: \"CLOSED\""));
  EXPECT_THAT(error({"stats", "--histogram", "x"}), StartsWith("--histogram: \"x\" is not"));
  EXPECT_THAT(error({"stats", "--histogram", "LISTEN", "--json"}),
              HasSubstr("does not go with --json"));
  EXPECT_THAT(error({"stats", "--histogram", "LISTEN", "--state", "TIME_WAIT"}),
              HasSubstr("not among those of --state"));
}

TEST(StatsOptions, FiltersAndStates) {
  const Options stats = options({"stats", "--state", "TIME_WAIT,estab", "-4", "--lport", "80"});
  EXPECT_EQ(stats.stats.states, stats.filter.states);
  EXPECT_EQ(stats.stats.states.count(), 2U);
  EXPECT_EQ(stats.filter.family, Family::Ipv4);
  EXPECT_THAT(stats.filter.local_ports, ElementsAre(80));
}

TEST(StatsOptions, AcceptsTheOptionsOfTrace) {
  EXPECT_EQ(options({"stats", "--ready-file", "/r"}).ready_file, "/r");
  EXPECT_EQ(options({"stats", "--no-flags"}).thresholds.of[index(State::CloseWait)], std::nullopt);
  EXPECT_FALSE(options({"stats", "--no-accept"}).accept);
  EXPECT_EQ(options({"stats", "-d", "5s"}).duration, 5s);
}

TEST(StatsOptions, RefusesOptionsWithoutEffect) {
  EXPECT_NE(error({"stats", "--flag", "ACCEPT=1s"}).find("no row for ACCEPT"), std::string::npos);
  EXPECT_THAT(error({"stats", "--only", "flag"}), StartsWith("--only: does not go with stats"));
  for (const char* option : {"--by=owner", "--rows=3", "--histogram=LISTEN"}) {
    error({option});
    error({"leaks", option});
    error({"trace", option});
  }
  error({"5"});
  error({"leaks", "5"});
}

TEST(StatsOptions, HelpListsItsOptions) {
  const std::string help = shown({"stats", "--help"});
  for (const char* word : {"INTERVAL", "COUNT", "--by", "--rows", "--histogram", "--port"})
    EXPECT_THAT(help, HasSubstr(word));
  EXPECT_THAT(shown({"--help"}), HasSubstr("stats"));
}

}  // namespace
}  // namespace tcpdwell
