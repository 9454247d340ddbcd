// SPDX-License-Identifier: Apache-2.0
// What `check` prints: the JSON object to the letter, and the text.
#include "sinks/check_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

CheckReport healthy() {
  return {.when = {.mono = 5s + 7ns, .unix_time = 1'700'000'000s + 42ns},
          .kernel = "6.18.0",
          .hz = 250,
          .netns = 4026531840,
          .traceable = true,
          .sees = {{"time_wait", "exact"}, {"reset_reason", "exact"}},
          .missing = {},
          .sysctls = {{"net.ipv4.tcp_rfc1337", "0", "an RST ends a TIME_WAIT"},
                      {"net.ipv4.ip_local_port_range", "32768\t60999", "many ports"},
                      {"net.ipv4.tcp_rto_max_ms", std::nullopt, "not in this kernel"}},
          .sysctl_mistakes = {},
          .time_wait = timer_bounds(60s, 250)};
}

CheckReport ailing() {
  CheckReport report = healthy();
  report.sees[0].second = "jiffy";
  report.missing = {{"no this", "no that", "Do so"}, {"no more", "less", ""}};
  report.sysctl_mistakes = {{"/etc/sysctl.d/a.conf", 3, "net.ipv4.tcp_fack", "has no effect"}};
  return report;
}

TEST(CheckReport, Json) {
  EXPECT_EQ(
      check_json(healthy()),
      R"({"type":"check","time":"2023-11-14T22:13:20.000000042Z","mono_ns":5000000007,)"
      R"("kernel":"6.18.0","hz":250,"netns":4026531840,"traceable":true,)"
      R"("sees":{"time_wait":"exact","reset_reason":"exact"},"missing":[],)"
      R"("sysctls":[{"name":"net.ipv4.tcp_rfc1337","value":"0","effect":"an RST ends a TIME_WAIT"},)"
      R"({"name":"net.ipv4.ip_local_port_range","value":"32768\u000960999","effect":"many ports"},)"
      R"({"name":"net.ipv4.tcp_rto_max_ms","value":null,"effect":"not in this kernel"}],)"
      R"("folklore":[],"time_wait_ns":{"min":60000000000,"max":62048000000}})"
      "\n");
}

TEST(CheckReport, JsonOfProblems) {
  CheckReport report = ailing();
  report.traceable = false;
  report.sysctls.clear();
  const std::string line = check_json(report);
  EXPECT_THAT(line, HasSubstr(R"("traceable":false,"sees":{"time_wait":"jiffy",)"));
  EXPECT_THAT(line, HasSubstr(R"("missing":[{"what":"no this","effect":"no that","hint":"Do so"},)"
                              R"({"what":"no more","effect":"less","hint":""}],"sysctls":[],)"));
  EXPECT_THAT(line, HasSubstr(R"("folklore":[{"file":"/etc/sysctl.d/a.conf","line":3,)"
                              R"("name":"net.ipv4.tcp_fack","says":"has no effect"}],)"));
}

TEST(CheckReport, Text) {
  EXPECT_EQ(check_text(ailing(), {}),
            "this host can be traced (Linux 6.18.0, HZ 250)\n"
            "\n"
            "SEES          HOW    WHAT\n"
            "time_wait     jiffy  when TIME_WAIT begins and ends\n"
            "reset_reason  exact  whether an RST was sent or received\n"
            "\n"
            "missing: no this\n"
            "         no that\n"
            "         next: Do so\n"
            "missing: no more\n"
            "         less\n"
            "\n"
            "TIME_WAIT lasts 60.000s to 62.048s here: kernel timers round 60.000s up, by "
            "at most 2.048s\n"
            "\n"
            "sysctls of network namespace 4026531840:\n"
            "SYSCTL                              VALUE  WHAT IT MEANS HERE\n"
            "net.ipv4.tcp_rfc1337                    0  an RST ends a TIME_WAIT\n"
            "net.ipv4.ip_local_port_range  32768 60999  many ports\n"
            "net.ipv4.tcp_rto_max_ms                 -  not in this kernel\n"
            "\n"
            "settings applied at boot that do not do what they seem to:\n"
            "/etc/sysctl.d/a.conf:3: net.ipv4.tcp_fack\n"
            "         has no effect\n");
}

TEST(CheckReport, QuietPrintsOnlyProblems) {
  EXPECT_EQ(check_text(healthy(), {.color = true, .header = false}), "");
  EXPECT_EQ(check_text(ailing(), {.header = false}),
            "missing: no this\n"
            "         no that\n"
            "         next: Do so\n"
            "missing: no more\n"
            "         less\n"
            "/etc/sysctl.d/a.conf:3: net.ipv4.tcp_fack\n"
            "         has no effect\n");
}

TEST(CheckReport, Colour) {
  EXPECT_THAT(check_text(healthy(), {.color = true}), HasSubstr("\033[32mthis host can be traced"));
  CheckReport report = ailing();
  EXPECT_THAT(check_text(report, {.color = true}), HasSubstr("\033[33mmissing: no this\033[0m"));
  report.traceable = false;
  EXPECT_THAT(check_text(report, {.color = true}),
              HasSubstr("\033[31mthis host cannot be traced (Linux 6.18.0, HZ 250)\033[0m"));
  EXPECT_THAT(check_text(report, {.color = true}), HasSubstr("\033[31mmissing: no this\033[0m"));
}

TEST(CheckReport, FilesOfOthersAreHarmless) {
  CheckReport report = healthy();
  report.sysctl_mistakes = {{"/etc/sysctl.d/\033[2J\n\"\xff.conf", 1, "net.ipv4.tcp_fack", "x"}};
  EXPECT_THAT(check_text(report, {}), HasSubstr("/etc/sysctl.d/\\x1b[2J\\x0a\"\\xff.conf:1: "));
  EXPECT_THAT(check_json(report), HasSubstr(R"("file":"/etc/sysctl.d/\u001b[2J\u000a\")"
                                            "\xef\xbf\xbd.conf\""));
  EXPECT_THAT(check_json(report), Not(HasSubstr("\033")));
}

}  // namespace
}  // namespace tcpdwell
