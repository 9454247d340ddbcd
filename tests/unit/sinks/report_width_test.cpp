// SPDX-License-Identifier: Apache-2.0
// The reports of `leaks`, `run` and `stats` on terminals of 60 to 120 columns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "sinks/leak_report.h"
#include "sinks/run_report.h"
#include "sinks/stats_text.h"
#include "support/flags.h"
#include "support/screens.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kReportWidths[] = {60, 80, 100, 120};

class ReportOnATerminal : public testing::TestWithParam<std::size_t> {
 protected:
  ReportOnATerminal() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }

  // An IPv6 peer, and a name of 15 letters.
  static std::vector<FlagRecord> stuck() {
    FlagRecord ipv6 = stuck_server();
    ipv6.socket.flow = ipv6_server().flow;
    ipv6.socket.flow.remote =
        endpoint(Family::Ipv6, "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", 50000);
    ipv6.holders = {holder(1'234'567, "fifteen-letters", 9), holder(1'234'568, "another", 9)};
    return {ipv6, half_closed_client(), orphan()};
  }

  FixedScreen screen_{GetParam()};
  Captured captured_;
};

TEST_P(ReportOnATerminal, LeaksFits) {
  LeakReport report(captured_.output(), TextStyle{.screen = &screen_});
  for (int round = 0; round < 2; ++round) {
    for (const FlagRecord& flag : stuck()) report.add(flag);
    report.print(kWhen, {});
  }
  const std::string text = captured_.text();
  expect_fits(text, GetParam());
  for (const char* word : {"2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", "fifteen-letters[1234567]",
                           "FIN_WAIT_2", "half_closed"})
    EXPECT_THAT(text, HasSubstr(word)) << "whole, wherever it stands";
}

TEST_P(ReportOnATerminal, RunFits) {
  RunReport report(captured_.output(), TextStyle{.screen = &screen_}, default_thresholds(1s),
                   100ms);
  for (const FlagRecord& flag : stuck()) report.add(flag);
  report.print("make test", 0, {});
  expect_fits(captured_.text(), GetParam());
  for (const std::string& line : lines_of(captured_.text()))
    EXPECT_TRUE(line.starts_with("==tcpdwell==")) << line;
}

TEST_P(ReportOnATerminal, StatsFits) {
  StatsRow row{.key = "an-owner-of-some-length", .state = State::SynReceived};
  row.entered = row.left = 12'345;
  row.inexact = 1;
  row.dwell = {.count = 12'344, .min = 100us, .p50 = 1ms, .p90 = 10ms, .p99 = 100ms, .max = 90min};
  StatsText text(captured_.output(), TextStyle{.screen = &screen_});
  text.write(StatsRecord{.when = kWhen, .interval = 10s, .by = GroupBy::Owner, .rows = {row, row}});
  expect_fits(captured_.text(), GetParam());
  EXPECT_THAT(captured_.text(), HasSubstr("12,345"));
  EXPECT_THAT(captured_.text(), HasSubstr("INEXACT")) << "the percentiles leave some out";
}

TEST_P(ReportOnATerminal, StatsWithNothingSaysWhatThereWas) {
  StatsText text(captured_.output(), TextStyle{.screen = &screen_});
  text.write(StatsRecord{.when = kWhen, .interval = 10s, .by = GroupBy::Owner, .open = 1234});
  EXPECT_THAT(captured_.text(), HasSubstr("no connection passed the filter; 1,234 are open"));
}

INSTANTIATE_TEST_SUITE_P(Widths, ReportOnATerminal, testing::ValuesIn(kReportWidths));

TEST(LeakReportQuiet, PrintsNothingIfNothingIsStuck) {
  Captured captured;
  LeakReport report(captured.output(), TextStyle{.header = false});
  report.print(kWhen, {});
  EXPECT_EQ(captured.text(), "");
}

}  // namespace
}  // namespace tcpdwell
