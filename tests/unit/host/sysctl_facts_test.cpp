// SPDX-License-Identifier: Apache-2.0
// Explanations of sysctl values.
#include "host/sysctl_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// The effect of the first sysctl in `given`.
std::string effect(const std::vector<std::pair<std::string, std::string>>& given,
                   unsigned hz = 250) {
  SysctlValues values;
  const auto full = [](const std::string& name) {
    return name == "somaxconn" ? "net.core." + name : "net.ipv4." + name;
  };
  for (const auto& [name, value] : given) values[full(name)] = value;
  for (const SysctlFact& fact : explain_sysctls(values, hz)) {
    if (fact.name != full(given.front().first)) continue;
    EXPECT_EQ(fact.value, given.front().second);
    return fact.effect;
  }
  ADD_FAILURE() << "nothing about " << given.front().first;
  return {};
}

TEST(SysctlFacts, OneForEachName) {
  const auto facts = explain_sysctls({}, 250);
  ASSERT_EQ(facts.size(), sysctl_names().size());
  for (std::size_t i = 0; i < facts.size(); ++i) {
    EXPECT_EQ(facts[i].name, sysctl_names()[i]);
    EXPECT_EQ(facts[i].value, std::nullopt);
    EXPECT_NE(facts[i].effect, "") << "absent sysctls are explained, too";
    EXPECT_EQ(facts[i].effect.find('.', facts[i].effect.size() - 1), std::string::npos);
  }
}

TEST(SysctlFacts, AbsentSysctlSaysWhatTheKernelDoesInstead) {
  std::map<std::string, std::string> effects;
  for (const SysctlFact& fact : explain_sysctls({}, 250)) effects[fact.name] = fact.effect;
  EXPECT_THAT(effects["net.ipv4.tcp_tw_reuse_delay"], HasSubstr("1 s"));
  EXPECT_THAT(effects["net.ipv4.tcp_rto_max_ms"], HasSubstr("120 s"));
  EXPECT_THAT(effects["net.ipv4.tcp_max_orphans"], HasSubstr("whole host"));
}

TEST(SysctlFacts, InvalidValueIsNotExplained) {
  constexpr const char* kStrange = "a value that tcpdwell cannot explain";
  for (const char* value : {"", "many", "-1", "1 2", "0x3c", "99999999999999999999", "60s"})
    EXPECT_EQ(effect({{"tcp_fin_timeout", value}}), kStrange) << value;
  for (const char* value : {"", "1", "1 ", "\t2", "1 two", "-1 2", "9 7", "1 2 3"})
    EXPECT_EQ(effect({{"ip_local_port_range", value}}), kStrange) << value;
}

TEST(SysctlFacts, LargeNumbersDoNotOverflow) {
  SysctlValues values;
  for (const std::string_view name : sysctl_names()) values[std::string(name)] = "2147483647";
  for (const SysctlFact& fact : explain_sysctls(values, 1000)) {
    EXPECT_THAT(fact.effect, Not(testing::ContainsRegex("-[0-9]"))) << fact.name;
    values[fact.name] = "2147483648";
  }
  for (const SysctlFact& fact : explain_sysctls(values, 1000))
    EXPECT_EQ(fact.effect, "a value that tcpdwell cannot explain") << "the kernel keeps an int";
}

TEST(SysctlFacts, FinTimeoutConcernsOrphansNotTimeWait) {
  EXPECT_EQ(effect({{"tcp_fin_timeout", "60"}}),
            "an orphan waits in FIN_WAIT_2 for up to 60 s (62.048 s with the timer wheel's "
            "rounding); TIME_WAIT does not depend on it");
  EXPECT_THAT(effect({{"tcp_fin_timeout", "60"}}, 1000), HasSubstr("(64.096 s"));
  EXPECT_THAT(effect({{"tcp_fin_timeout", "15"}}),
              AllOf(HasSubstr("up to 15 s (15.256 s"), HasSubstr("3.5 retransmission timeouts"),
                    HasSubstr("TIME_WAIT does not depend on it")));
  EXPECT_THAT(effect({{"tcp_fin_timeout", "63"}}),
              HasSubstr("up to 6 s: twice what is above 60 s; TIME_WAIT"));
  EXPECT_THAT(effect({{"tcp_fin_timeout", "0"}}), HasSubstr("for 3.5 of its retransmission"));
}

TEST(SysctlFacts, ReuseOfTimeWait) {
  EXPECT_EQ(effect({{"tcp_tw_reuse", "0"}}), "connect() never takes the port of a TIME_WAIT");
  EXPECT_EQ(effect({{"tcp_tw_reuse", "1"}}),
            "connect() may take the port of a TIME_WAIT after 1 s (time_wait_ended: reused)");
  EXPECT_THAT(effect({{"tcp_tw_reuse", "2"}, {"tcp_tw_reuse_delay", "2500"}}),
              AllOf(HasSubstr("over loopback"), HasSubstr("after 2.5 s")));
  EXPECT_THAT(effect({{"tcp_tw_reuse", "1"}, {"tcp_timestamps", "0"}}),
              HasSubstr("but only with TCP timestamps, and tcp_timestamps is 0"));
  EXPECT_THAT(effect({{"tcp_tw_reuse", "1"}, {"tcp_timestamps", "1"}}), Not(HasSubstr("but")));
  EXPECT_THAT(effect({{"tcp_timestamps", "0"}}), StartsWith("off:"));
}

TEST(SysctlFacts, RetriesBecomeDurations) {
  EXPECT_THAT(effect({{"tcp_retries2", "15"}}), HasSubstr("at least 924.6 s"));
  EXPECT_THAT(effect({{"tcp_retries2", "15"}, {"tcp_rto_max_ms", "1000"}}),
              HasSubstr("at least 14.4 s"))
      << "3 timeouts double up to 800 ms, and 13 of 1 s follow";
  EXPECT_THAT(effect({{"tcp_orphan_retries", "0"}}),
              AllOf(HasSubstr("at least 102.2 s"), HasSubstr("0 counts as 8")));
  EXPECT_THAT(effect({{"tcp_orphan_retries", "0"}, {"tcp_rto_max_ms", "1000"}}),
              AllOf(HasSubstr("at least 1 s"), Not(HasSubstr("counts"))))
      << "measured: 2.7 s; 0 counts as none once the timeout is at its maximum";
  EXPECT_THAT(effect({{"tcp_orphan_retries", "4"}}),
              AllOf(HasSubstr("at least 6.2 s"), Not(HasSubstr("counts"))));
  EXPECT_THAT(effect({{"tcp_syn_retries", "6"}}), HasSubstr("about 127 s"));
  EXPECT_THAT(effect({{"tcp_syn_retries", "6"}, {"tcp_syn_linear_timeouts", "4"}}),
              HasSubstr("about 131 s"));
  EXPECT_THAT(effect({{"tcp_synack_retries", "5"}}), HasSubstr("about 63 s"));
  EXPECT_THAT(effect({{"tcp_synack_retries", "3"}}), HasSubstr("about 15 s"));
}

TEST(SysctlFacts, SynBacklogDependsOnSynCookies) {
  EXPECT_THAT(effect({{"tcp_max_syn_backlog", "128"}, {"tcp_syncookies", "1"}}),
              StartsWith("limits nothing"));
  EXPECT_THAT(effect({{"tcp_max_syn_backlog", "128"}, {"tcp_syncookies", "0"}}),
              HasSubstr("more than 96 half-open"));
  EXPECT_THAT(effect({{"tcp_syncookies", "0"}}), HasSubstr("drops SYNs"));
  EXPECT_THAT(effect({{"tcp_syncookies", "1"}}), HasSubstr("is full"));
  EXPECT_THAT(effect({{"tcp_syncookies", "2"}}), StartsWith("always"));
  EXPECT_THAT(effect({{"somaxconn", "4096"}}), StartsWith("at most 4097 connections"));
}

TEST(SysctlFacts, KeepaliveSysctlsAddUp) {
  EXPECT_THAT(effect({{"tcp_keepalive_time", "7200"},
                      {"tcp_keepalive_intvl", "75"},
                      {"tcp_keepalive_probes", "9"}}),
              HasSubstr("ends after 7875 s"));
  EXPECT_THAT(effect({{"tcp_keepalive_time", "600"}}), HasSubstr("probed after 600 s"));
}

TEST(SysctlFacts, PortRangeGivesConnectionRate) {
  EXPECT_THAT(effect({{"ip_local_port_range", "32768\t60999"}}),
              AllOf(StartsWith("28,232 ports"), HasSubstr("455 new connections a second")))
      << "28,232 / 62.048 s";
  EXPECT_THAT(effect({{"ip_local_port_range", "40000 40000"}}), StartsWith("1 port "));
  EXPECT_THAT(effect({{"ip_local_port_range", "40000 40019"}}),
              HasSubstr("0.3 new connections a second"));
  EXPECT_EQ(effect({{"ip_local_port_range", "9\t7"}}), "a value that tcpdwell cannot explain");
}

TEST(SysctlFacts, ReservedPortsAreSubtractedFromRange) {
  EXPECT_THAT(effect({{"ip_local_port_range", "40000\t40199"},
                      {"ip_local_reserved_ports", "8080,40000-40009,40190-50000"}}),
              StartsWith("180 ports"));
  EXPECT_THAT(effect({{"ip_local_reserved_ports", "8080,9000-9010"}}), HasSubstr("these 12"));
  EXPECT_THAT(effect({{"ip_local_reserved_ports", ""}}), HasSubstr("any of ip_local_port_range"));
}

TEST(SysctlFacts, ReuseRaisesConnectionRate) {
  EXPECT_THAT(effect({{"ip_local_port_range", "32768\t60999"}, {"tcp_tw_reuse", "2"}}),
              HasSubstr("over loopback"));
  EXPECT_THAT(effect({{"ip_local_port_range", "32768\t60999"}, {"tcp_tw_reuse", "0"}}),
              Not(HasSubstr("reuse")));
}

TEST(SysctlFacts, SwitchExplainsBothValues) {
  for (const char* name : {"tcp_rfc1337", "tcp_abort_on_overflow", "tcp_max_tw_buckets",
                           "tcp_syn_linear_timeouts", "tcp_timestamps"})
    EXPECT_NE(effect({{name, "0"}}), effect({{name, "1"}})) << name;
}

}  // namespace
}  // namespace tcpdwell
