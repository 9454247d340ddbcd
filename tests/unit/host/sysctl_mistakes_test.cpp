// SPDX-License-Identifier: Apache-2.0
// Settings in sysctl files that do not have the intended effect.
#include "host/sysctl_mistakes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// "LINE NAME" of each mistake.
std::vector<std::string> found_in(std::string_view text) {
  std::vector<std::string> all;
  for (const SysctlMistake& each : find_sysctl_mistakes("f", text, 1000)) {
    EXPECT_EQ(each.file, "f");
    EXPECT_NE(each.says, "");
    all.push_back(std::to_string(each.line) + ' ' + each.name);
  }
  return all;
}

std::string says(std::string_view text) {
  const auto all = find_sysctl_mistakes("f", text, 1000);
  return all.size() == 1 ? all[0].says : "found " + std::to_string(all.size());
}

TEST(SysctlMistake, RemovedSettings) {
  EXPECT_THAT(says("net.ipv4.tcp_tw_recycle=1"), HasSubstr("removed in 4.12"));
  EXPECT_THAT(says("net.ipv4.tcp_fack=1"), HasSubstr("no effect since 4.15"));
  EXPECT_THAT(says("net.ipv4.tcp_low_latency=1"), HasSubstr("no effect since 4.14"));
  EXPECT_THAT(says("net.ipv4.tcp_westwood=1"), HasSubstr("removed in 2.6.13"));
  EXPECT_THAT(says("net.ipv4.tcp_bic=1"), HasSubstr("removed in 2.6.13"));
  EXPECT_THAT(says("net.ipv4.tcp_bic_low_window=14"), HasSubstr("removed in 2.6.13"));
}

TEST(SysctlMistake, FinTimeoutSetToShortenTimeWait) {
  EXPECT_THAT(says("net.ipv4.tcp_fin_timeout = 30"), HasSubstr("does not shorten TIME_WAIT"));
  EXPECT_THAT(says("net.ipv4.tcp_fin_timeout = 59"), HasSubstr("TIME_WAIT"));
  EXPECT_THAT(says("net.ipv4.tcp_fin_timeout = 30 # as everybody does"), HasSubstr("TIME_WAIT"))
      << "the kernel ignores text after the number";
  for (const char* harmless : {"60", "120", "", "long", "30x", "99999999999999999999"})
    EXPECT_THAT(found_in("net.ipv4.tcp_fin_timeout = " + std::string(harmless)), IsEmpty())
        << harmless;
}

TEST(SysctlMistake, ValidSettings) {
  EXPECT_THAT(found_in("net.ipv4.tcp_tw_reuse = 1\n"
                       "net.ipv4.tcp_tw_recycled = 1\n"
                       "net.ipv4.tcp_bicycle = 1\n"
                       "net.ipv4.tcp_ = 1\n"
                       "tcp_tw_recycle = 1\n"
                       "kernel.tcp_tw_recycle = 1\n"
                       "net.ipv4.tcp_tw_recycle\n"
                       "= 1\n-\n=\n-=\n"),
              IsEmpty());
}

TEST(SysctlMistake, LinesAreCounted) {
  EXPECT_THAT(found_in("# tuning\n\n\nnet.ipv4.tcp_fack=1\n\nnet.ipv4.tcp_tw_recycle=0"),
              ElementsAre("4 net.ipv4.tcp_fack", "6 net.ipv4.tcp_tw_recycle"));
}

TEST(SysctlMistake, CommentsAreIgnored) {
  EXPECT_THAT(found_in("#net.ipv4.tcp_fack=1\n ; net.ipv4.tcp_fack=1\n\t# net.ipv4.tcp_fack = 1"),
              IsEmpty());
}

TEST(SysctlMistake, BlanksAreIgnored) {
  EXPECT_THAT(found_in(" \t net.ipv4.tcp_fack \t = \t 1 \t \n"),
              ElementsAre("1 net.ipv4.tcp_fack"));
  EXPECT_THAT(found_in("net.ipv4.tcp_fack ="), ElementsAre("1 net.ipv4.tcp_fack"));
}

TEST(SysctlMistake, CrLfLineEnds) {
  EXPECT_THAT(found_in("net.ipv4.tcp_fack=1\r\nnet.ipv4.tcp_fin_timeout=5\r\n"),
              ElementsAre("1 net.ipv4.tcp_fack", "2 net.ipv4.tcp_fin_timeout"));
}

TEST(SysctlMistake, LeadingDashIsStripped) {
  EXPECT_THAT(found_in("-net.ipv4.tcp_tw_recycle = 1\n- net.ipv4.tcp_tw_recycle=1"),
              ElementsAre("1 net.ipv4.tcp_tw_recycle", "2 net.ipv4.tcp_tw_recycle"));
  EXPECT_THAT(found_in("-net.ipv4.tcp_tw_recycle"), IsEmpty())
      << "without a value it excludes a key from a glob";
}

TEST(SysctlMistake, SlashesForDots) {
  EXPECT_THAT(found_in("net/ipv4/tcp_fack = 1"), ElementsAre("1 net.ipv4.tcp_fack"));
  EXPECT_THAT(found_in("-net/ipv4/tcp_fack = 1"), ElementsAre("1 net.ipv4.tcp_fack"));
  EXPECT_THAT(found_in("net.ipv4/tcp_fack = 1\nnet/ipv4.tcp_fack = 1"), IsEmpty())
      << "the second of the two is part of a word";
}

TEST(SysctlMistake, GlobIsNotExpanded) {
  EXPECT_THAT(found_in("net.ipv4.* = 1\nnet.ipv4.tcp_* = 1\nnet.*.tcp_fack = 1"), IsEmpty());
}

TEST(SysctlMistake, BackslashDoesNotContinueLine) {
  EXPECT_THAT(found_in("net.ipv4.tcp_tw_reuse = \\\nnet.ipv4.tcp_fack = 1"),
              ElementsAre("2 net.ipv4.tcp_fack"));
  EXPECT_THAT(found_in("net.ipv4.\\\ntcp_fack = 1"), IsEmpty());
}

TEST(SysctlMistake, HugeLine) {
  const std::string huge(3 << 20, 'x');
  EXPECT_THAT(found_in(huge + "=1\n" + "net.ipv4.tcp_fack=" + huge),  //
              ElementsAre("2 net.ipv4.tcp_fack"));
  EXPECT_THAT(found_in(huge), IsEmpty());
}

TEST(SysctlMistake, BinaryText) {
  using namespace std::string_view_literals;
  EXPECT_THAT(found_in("\0\xff\x80=\0\n\0net.ipv4.tcp_fack=1\nnet.ipv4.tcp_fack\0=1\n"
                       "net.ipv4.tcp_fack=\0"sv),
              ElementsAre("4 net.ipv4.tcp_fack"));
  EXPECT_THAT(found_in(""), IsEmpty());
  EXPECT_THAT(found_in("\n\n"), IsEmpty());
}

TEST(SysctlMistake, ReturnsAtMostTheLimit) {
  std::string text;
  for (int i = 0; i < 10; ++i) text += "net.ipv4.tcp_fack=1\n";
  EXPECT_EQ(find_sysctl_mistakes("f", text, 3).size(), 3U);
  EXPECT_EQ(find_sysctl_mistakes("f", text, 0).size(), 0U);
}

}  // namespace
}  // namespace tcpdwell
