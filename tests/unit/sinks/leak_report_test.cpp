// SPDX-License-Identifier: Apache-2.0
// The table of `leaks`: one round, growth from round to round, and the verdict.
#include "sinks/leak_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "support/flags.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;
using testing::Not;

class LeakReports : public testing::Test {
 protected:
  LeakReports() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }

  // What the round wrote, that many seconds after the first.
  std::string round(const std::vector<FlagRecord>& flags, Nanos after = 0s) {
    for (const FlagRecord& flag : flags) report_.add(flag);
    report_.print({.mono = kWhen.mono + after, .unix_time = kWhen.unix_time + after}, {});
    const std::string all = captured_.text();
    std::string now = all.substr(read_);
    read_ = all.size();
    return now;
  }

  static std::vector<FlagRecord> several(std::size_t count, Cause cause = Cause::EofRead) {
    std::vector<FlagRecord> flags;
    for (std::size_t i = 0; i < count; ++i) {
      flags.push_back(stuck_server(cause, static_cast<std::uint16_t>(50000 + i)));
      flags.back().holders[0].fd = static_cast<std::int32_t>(9 + i);
    }
    return flags;
  }

  Captured captured_;
  LeakReport report_{captured_.output(), TextStyle{}};
  std::size_t read_ = 0;
};

TEST_F(LeakReports, ARound) {
  std::vector<FlagRecord> flags = several(3);
  flags[1].dwell = {150s, {}};
  flags.push_back(half_closed_client());
  flags.push_back(orphan());
  EXPECT_EQ(
      round(flags),
      "COUNT  STATE       CAUSE        LOCAL PORT  PEER            OLDEST   MEDIAN  HOLDER\n"
      "    3  CLOSE_WAIT  eof_read           8080  10.0.0.2        ≥2m30s   ≥2m10s  python3[4711]\n"
      "       the peer closed 3 connections, the oldest at least 2m30s ago; nothing is left to "
      "read, and 3 descriptors of python3[4711] (fd 9, 10, 11) in web.service are still open\n"
      "       next: find where python3 is done with a connection but does not close() it: strace "
      "-f -p 4711 -e trace=read,readv,recvfrom,recvmsg,shutdown,close\n"
      "    1  FIN_WAIT_2  half_closed         any  10.0.0.9:5432    2m10s    2m10s  python3[4711]\n"
      "       this side was shut down 2m10s ago and the peer has not closed since; fd 9 of "
      "python3[4711] in web.service is still open, so no timeout ends this\n"
      "       next: make python3 wait for the peer with a timeout after shutdown(), then "
      "close()\n"
      "    1  FIN_WAIT_2  orphaned            any  10.0.0.9:5432  66.000s  66.000s  "
      "(python3[4711])\n"
      "       this side was shut down 66.000s ago and the peer has not closed since; no process "
      "holds "
      "it (owner was python3[4711]), and the kernel will end it "
      "(net.ipv4.tcp_fin_timeout)\n"
      "       next: nothing to do on this host; if there are many, find out why 10.0.0.9:5432 "
      "does not close its side\n"
      "03:04:05.006 4 sockets stuck, 2 groups; 1 orphaned socket in FIN_WAIT_2 that the kernel "
      "will end\n");
  EXPECT_TRUE(report_.leaked());
}

TEST_F(LeakReports, AnEmptyRound) {
  EXPECT_FALSE(report_.leaked()) << "before any";
  EXPECT_EQ(round({}), "03:04:05.006 nothing is stuck\n");
  EXPECT_FALSE(report_.leaked());
  EXPECT_EQ(round({cleared(stuck_server(), 1s)}), "03:04:05.006 nothing is stuck\n");
  EXPECT_FALSE(report_.leaked());
}

TEST_F(LeakReports, OrphansDoNotAffectTheExitStatus) {
  EXPECT_THAT(round({orphan(1), orphan(2)}),
              HasSubstr("nothing is stuck; 2 orphaned sockets in FIN_WAIT_2 that the kernel will "
                        "end"));
  EXPECT_FALSE(report_.leaked());
}

TEST_F(LeakReports, LeakedIsOfTheLastRound) {
  EXPECT_THAT(round(several(1)), HasSubstr("1 socket stuck, 1 group\n"));
  EXPECT_TRUE(report_.leaked());
  round({}, 10s);
  EXPECT_FALSE(report_.leaked());
}

TEST_F(LeakReports, GrowthAMinute) {
  EXPECT_THAT(round(several(3)), Not(HasSubstr("PER MIN"))) << "there is nothing to compare with";
  EXPECT_THAT(round(several(5), 10s), HasSubstr("\n    5  +12.0/min  CLOSE_WAIT"));
  EXPECT_THAT(round(several(5), 20s), HasSubstr("\n    5  +0.0/min  CLOSE_WAIT"));
  EXPECT_THAT(round(several(4), 80s), HasSubstr("\n    4  -1.0/min  CLOSE_WAIT"));
}

TEST_F(LeakReports, GrowthIsOfSocketsOfKnownAndUnknownAgeTogether) {
  const auto with_unknown = [](std::size_t known, std::size_t unknown) {
    auto flags = several(known + unknown);
    for (std::size_t i = known; i < flags.size(); ++i) {
      flags[i].dwell = {10s, std::nullopt};
      flags[i].at_most.reset();
    }
    return flags;
  };
  round(with_unknown(3, 3));
  const std::string text = round(with_unknown(5, 1), 60s);
  EXPECT_THAT(text, HasSubstr("\n    5  +0.0/min  CLOSE_WAIT"));
  EXPECT_THAT(text, HasSubstr("\n    1            CLOSE_WAIT")) << "said above";
}

TEST_F(LeakReports, NewAndGone) {
  round(several(2));
  const std::string shown = round({half_closed_client()}, 10s);
  EXPECT_THAT(shown, HasSubstr("\n    1      new  FIN_WAIT_2"));
  EXPECT_THAT(shown, HasSubstr("\ngone: CLOSE_WAIT eof_read on port 8080, peer 10.0.0.2, "
                               "python3[4711] (2 sockets)\n"));
  EXPECT_THAT(round({half_closed_client()}, 20s), Not(HasSubstr("gone"))) << "said once";
  EXPECT_EQ(round({}, 30s),
            "gone: FIN_WAIT_2 half_closed, peer 10.0.0.9:5432, python3[4711] (1 socket)\n"
            "03:04:35.006 nothing is stuck\n");
}

TEST_F(LeakReports, TwoRoundsAtOneTimeHaveNoRate) {
  round(several(2));
  EXPECT_THAT(round(several(3)), HasSubstr("\n    3        ?  CLOSE_WAIT"));
}

std::vector<FlagRecord> of_peers(int peers) {
  std::vector<FlagRecord> flags;
  for (int i = 0; i < peers; ++i) {
    flags.push_back(stuck_server());
    flags.back().socket.flow.remote.addr[3] = static_cast<std::uint8_t>(i);
  }
  return flags;
}

TEST_F(LeakReports, GroupsThatMergeForTheirManyPeersKeepTheirGrowth) {
  round(of_peers(3));
  const std::string merged = round(of_peers(9), 60s);
  EXPECT_THAT(merged, HasSubstr("\n    9  +6.0/min  CLOSE_WAIT"));
  EXPECT_THAT(merged, HasSubstr(" 9 addresses "));
  EXPECT_THAT(merged, Not(HasSubstr("gone"))) << merged;
  const std::string split = round(of_peers(1), 120s);
  EXPECT_THAT(split, HasSubstr("\n    1        ?  CLOSE_WAIT")) << "not new: among the nine";
  EXPECT_THAT(split, Not(HasSubstr("gone"))) << split;
}

TEST_F(LeakReports, Ipv6) {
  FlagRecord flag = stuck_server();
  flag.socket.flow = ipv6_server().flow;
  EXPECT_THAT(round({flag}), HasSubstr("         443  2001:db8::2   2m10s"));
}

TEST(LeakReportStyle, QuietHasNoHeaderAndColorIsAskedFor) {
  Captured plain, colored;
  LeakReport quiet(plain.output(), TextStyle{.color = false, .header = false});
  quiet.add(stuck_server());
  quiet.print(kWhen, {});
  EXPECT_TRUE(plain.text().starts_with("1  CLOSE_WAIT  eof_read  8080  10.0.0.2  2m10s"))
      << plain.text();
  LeakReport color(colored.output(), TextStyle{.color = true, .header = true});
  color.add(stuck_server());
  color.print(kWhen, {});
  EXPECT_THAT(colored.text(), HasSubstr("\n\033[31m    1  CLOSE_WAIT"));
  EXPECT_THAT(colored.text(), HasSubstr("python3[4711]\033[0m\n"));
}

TEST_F(LeakReports, HostileNamesDoNotReachTheTerminal) {
  for (const std::string_view comm : kHostile) {
    FlagRecord flag = stuck_server();
    flag.socket.owner = owner_of(1, comm);
    flag.socket.cgroup = kept("/" + std::string(comm) + ".service");
    flag.holders = {holder(1, comm, 3), holder(2, comm, 4)};
    EXPECT_EQ(hostile_byte_in_lines(round({flag})), "");
    EXPECT_EQ(hostile_byte_in_lines(round({})), "") << "nor as what is gone";
  }
}

// Between 3 s and 5 minutes old.
FlagRecord of_unknown_age() {
  FlagRecord flag = stuck_server(Cause::EofRead);
  flag.threshold = 60s;
  flag.dwell = {3s, {}};
  flag.at_most = 5min;
  return flag;
}

TEST_F(LeakReports, UnknownAgeIsListedButNoLeak) {
  const std::string text = round({of_unknown_age()});
  EXPECT_THAT(text, HasSubstr("at most 5m00s"));
  EXPECT_THAT(text, HasSubstr("the peer closed between 3.000s and 5m00s ago"));
  EXPECT_THAT(text, HasSubstr("nothing is stuck; 1 socket of unknown age may be stuck"));
  EXPECT_FALSE(report_.leaked());
}

TEST_F(LeakReports, CertainLeaksPrecedeUnknownAges) {
  std::vector<FlagRecord> flags = several(1);
  flags.resize(4, of_unknown_age());
  const std::string text = round(flags);
  EXPECT_LT(text.find("2m10s"), text.find("at most 5m00s"));
  EXPECT_THAT(text, HasSubstr("1 socket stuck, 1 group; 3 sockets of unknown age may be stuck"));
  EXPECT_TRUE(report_.leaked());
}

TEST_F(LeakReports, UnknownAgeThatBecomesKnownIsNotGone) {
  round({of_unknown_age()});
  EXPECT_THAT(round(several(1), 10s), Not(HasSubstr("gone")));
}

TEST_F(LeakReports, CloseBoundsCountAsAnAge) {
  FlagRecord flag = of_unknown_age();
  flag.dwell.value = 59'600ms;
  flag.at_most = 60'100ms;
  EXPECT_THAT(round({flag}), HasSubstr("1 socket stuck, 1 group"));
  EXPECT_TRUE(report_.leaked());
}

TEST_F(LeakReports, EmptyRoundShowsTheWatchedStates) {
  const std::vector<WatchedState> watched = {{.state = State::FinWait2, .threshold = 60s},
                                             {.state = State::CloseWait,
                                              .threshold = 60s,
                                              .sockets = 12,
                                              .oldest = 3200ms,
                                              .unknown_age = 1}};
  report_.print(kWhen, watched);
  EXPECT_THAT(captured_.text(),
              HasSubstr(" nothing is stuck: 0 in FIN_WAIT_2; 12 in CLOSE_WAIT, the oldest ≥3.200s, "
                        "1 of unknown age\n"));
}

}  // namespace
}  // namespace tcpdwell
