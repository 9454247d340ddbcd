// SPDX-License-Identifier: Apache-2.0
// The page of a report: findings, safety against hostile names, equal bytes.
#include "report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/assets.h"
#include "report/findings.h"
#include "report/html.h"
#include "report/page_data.h"
#include "support/reported.h"

namespace tcpdwell::report_story {
namespace {

using namespace reporting;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kHostile = "</script><x>";

ReportData leaky(const char* comm = "app") {
  Reported reported;
  for (std::uint64_t i = 1; i <= 6; ++i) {
    const Nanos closed = 10s * static_cast<int>(i);
    reported.connects(i, closed - 1s, comm);
    reported.peer_closes(i, closed);
    reported.wait(closed + 60s);
    reported.collector.write(reported.flag(i, closed, closed + 60s, comm));
  }
  ReportData data = reported.finish(130s);
  data.source = "night.tdw";
  return data;
}

std::string all_findings(const ReportData& data) {
  std::string text;
  for (const Finding& finding : find_all(data)) text += finding.text + '\n';
  return text;
}

TEST(Findings, SayWhatLeaksWhoseAndHowFast) {
  const std::string text = all_findings(leaky());
  EXPECT_THAT(text, StartsWith("<b>6 sockets</b> are in CLOSE_WAIT for longer than 60s, held by "
                               "<b>app[42]</b>; the oldest for 2m00s, since 03:04:15. Their "
                               "number grew by <b>"))
      << text;
  EXPECT_THAT(text, HasSubstr("a minute</b> from 03:04:15 to 03:05:05"));
}

TEST(Findings, SayThatNothingIsStuck) {
  Reported reported;
  reported.connects(1, 1s);
  reported.peer_closes(1, 2s);
  const std::string text = all_findings(reported.finish(12s));
  EXPECT_THAT(text, StartsWith("<b>Nothing is stuck</b> at the end: "));
  EXPECT_THAT(text, HasSubstr("1 in CLOSE_WAIT, the oldest for ≥10.000s"));
}

TEST(Findings, SayWhatWasStuckBefore) {
  Reported reported;
  reported.connects(1, 1s);
  reported.peer_closes(1, 2s);
  reported.collector.write(reported.flag(1, 2s, 62s));
  FlagRecord over = reported.flag(1, 2s, 70s);
  over.raised = false;
  reported.closes(1, 70s);
  reported.collector.write(over);
  const std::string text = all_findings(reported.finish(80s));
  EXPECT_THAT(text, HasSubstr("Nothing is stuck"));
  EXPECT_THAT(text, HasSubstr("Stuck before: CLOSE_WAIT eof_read, app[42]"));
  EXPECT_THAT(text, HasSubstr("The last one left the state at 03:05:15."));
}

TEST(Findings, SayWhatWasLost) {
  Reported reported;
  reported.connects(1, 1s);
  reported.table.on(LossEvent{.at = kBegan + 5s, .events = 7, .transitions = 3});
  ReportData data = reported.finish(10s);
  data.totals.lost = 7;
  data.totals.transitions_lost = 3;
  EXPECT_THAT(all_findings(data), HasSubstr("<b>7 events were lost</b>, 3 of them transitions, "
                                            "first at 03:04:10."));
}

TEST(Page, EveryFindingHasItsSection) {
  const ReportData data = leaky();
  const std::string text = page(data);
  for (const Finding& finding : find_all(data)) {
    EXPECT_THAT(text, HasSubstr("href=\"#" + std::string(finding.about) + '"'));
    EXPECT_THAT(text, HasSubstr("<section id=\"" + std::string(finding.about) + '"'));
  }
}

TEST(Page, HostileNamesAreText) {
  ReportData data = leaky(kHostile);
  data.source = "\"><img src=x>";
  data.start.host = "<b>host\xe2\x80\xae";
  const std::string text = page(data);
  EXPECT_THAT(text, Not(HasSubstr("<x>")));
  EXPECT_THAT(text, Not(HasSubstr("<img")));
  EXPECT_THAT(text, Not(HasSubstr("<b>host")));
  EXPECT_THAT(text, Not(HasSubstr("\xe2\x80\xae"))) << "it would reverse the text behind it";
  EXPECT_THAT(text, HasSubstr("&lt;/script&gt;&lt;x&gt;"));
  EXPECT_THAT(text, HasSubstr("\\u003c/script>")) << "in the JSON";
  std::size_t scripts = 0;
  for (std::size_t at = 0; (at = text.find("</script>", at)) != std::string::npos; ++at) ++scripts;
  EXPECT_EQ(scripts, 3U) << "the names, the connections, and the script";
}

TEST(Page, HasNoStyleAttributeAndNoAddress) {
  const std::string text = page(leaky());
  const std::string before_script = text.substr(0, text.find("<script"));
  EXPECT_THAT(before_script, Not(HasSubstr(" style=")));
  EXPECT_THAT(before_script, Not(HasSubstr(" onclick")));
  EXPECT_THAT(text, Not(HasSubstr("http://")));
  EXPECT_THAT(text, Not(HasSubstr("https://")));
  EXPECT_THAT(text, HasSubstr("default-src 'none'; script-src 'sha256-"));
}

TEST(Page, SameDataGivesSameBytes) { EXPECT_EQ(page(leaky()), page(leaky())); }

TEST(Page, EmptyRunHasAPage) {
  Reported reported;
  const std::string text = page(reported.finish(1s));
  EXPECT_THAT(text, AllOf(HasSubstr("No connection was open."), HasSubstr("</html>")));
}

TEST(PageData, DropsLivesThatDoNotFit) {
  ReportData data = leaky();
  EXPECT_EQ(data.lives.size(), 6U);
  page_data(data, 600);
  EXPECT_LT(data.lives.size(), 6U);
  EXPECT_GE(data.lives.size(), 1U);
  EXPECT_THAT(page(leaky()), HasSubstr("All <b>6 connections</b>"));
}

TEST(Html, Escapes) {
  EXPECT_EQ(html("<a b='c' d=\"e\">&"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;");
  EXPECT_EQ(html_of_bytes("a\x1b[31m"), "a\\x1b[31m");
  EXPECT_EQ(json_text("<!--</script>"), "\"\\u003c!--\\u003c/script>\"");
}

TEST(Html, TimesAreUtc) {
  EXPECT_EQ(clock_text({.mono = 5s, .unix_time = kDate + 6ms}, true), "03:04:05.006");
  EXPECT_EQ(date_text({.mono = 5s, .unix_time = kDate}), "2026-01-02 03:04:05 UTC");
  EXPECT_EQ(clock_text({.mono = 5s + 250ms}), "5.250 s");
}

}  // namespace
}  // namespace tcpdwell::report_story
