// SPDX-License-Identifier: Apache-2.0
// What `run` says at the exit of its command.
#include "sinks/run_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/flags.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;
using testing::Not;

struct Said {
  std::string text;
  std::size_t leaked = 0;
};

constexpr std::string_view kLimits =
    "==tcpdwell== limits: CLOSE_WAIT 1.000s (100ms at an exit), FIN_WAIT_2 1.000s, CLOSED 1.000s; "
    "longest CLOSE_WAIT: none; longest FIN_WAIT_2: none\n";

Said report(const std::vector<FlagRecord>& flags, const std::string& command = "python3 app.py",
            int status = 0, bool color = false, const std::vector<Longest>& longest = {}) {
  Captured captured;
  RunReport report(captured.output(), TextStyle{.color = color, .header = true},
                   default_thresholds(1s), 100ms);
  for (const FlagRecord& flag : flags) report.add(flag);
  report.print(command, status, longest);
  return {captured.text(), report.leaked()};
}

TEST(RunReport, NoLeak) {
  const Said said = report({}, "true", 3);
  EXPECT_EQ(said.text,
            "==tcpdwell== true ended with status 3\n"
            "==tcpdwell== no leaked sockets\n" +
                std::string(kLimits));
  EXPECT_EQ(said.leaked, 0U);
}

TEST(RunReport, ALeakThatOnlyTheExitEnded) {
  const Said said = report({by_exit(stuck_server(), 3200ms)});
  EXPECT_EQ(said.text,
            "==tcpdwell== python3 app.py ended with status 0\n"
            "==tcpdwell==\n"
            "==tcpdwell== 1 socket in CLOSE_WAIT eof_read  python3[4711]\n"
            "==tcpdwell==     10.0.0.1:8080 → 10.0.0.2:50000  3.200s in CLOSE_WAIT, until the "
            "exit\n"
            "==tcpdwell==   in CLOSE_WAIT for 3.200s until python3[4711] in web.service exited; "
            "only the exit closed it\n"
            "==tcpdwell==   next: find where python3 is done with a connection but does not "
            "close() it\n"
            "==tcpdwell==\n"
            "==tcpdwell== LEAK SUMMARY: 1 socket in 1 group\n" +
                std::string(kLimits));
  EXPECT_EQ(said.leaked, 1U);
}

TEST(RunReport, WhatTheRuntimeClosedIsALeak) {
  FlagRecord flag = by_exit(stuck_server(), 3200ms);
  flag.before_exit = 4ms;
  const Said said = report({flag, cleared(stuck_server(), 3200ms)});
  EXPECT_EQ(said.leaked, 1U);
  EXPECT_THAT(said.text, HasSubstr("3.200s in CLOSE_WAIT, closed 4.00ms before the exit\n"));
  EXPECT_THAT(said.text, HasSubstr("only its clean-up just before the exit closed it"));
}

TEST(RunReport, OneThatWasClosedAfterAllIsSlow) {
  const Said said = report({stuck_server(), cleared(stuck_server(), 3200ms)});
  EXPECT_THAT(said.text, HasSubstr("→ 10.0.0.2:50000  closed after 3.200s\n"));
  EXPECT_THAT(said.text, HasSubstr("slow, but not left behind (no effect on the exit status):\n"));
  EXPECT_THAT(said.text, HasSubstr("no leaked sockets"));
  EXPECT_EQ(said.leaked, 0U);
  const Said half = report({half_closed_client(), cleared(half_closed_client(), 5s)});
  EXPECT_THAT(half.text, HasSubstr("left FIN_WAIT_2 after 5.000s\n"));
}

TEST(RunReport, OneThatIsStillOpen) {
  EXPECT_THAT(report({stuck_server()}).text,
              HasSubstr("still open when last seen, after 2m10s in CLOSE_WAIT\n"));
}

TEST(RunReport, TheExitMayEndOneThatIsAlreadyFlagged) {
  const Said said = report({stuck_server(), by_exit(stuck_server(), 140s)});
  EXPECT_EQ(said.leaked, 1U);
  EXPECT_THAT(said.text, HasSubstr("2m20s in CLOSE_WAIT, until the exit"));
  EXPECT_THAT(said.text, Not(HasSubstr("still open")));
}

TEST(RunReport, WhatIsKnownLastIsSaidOfOneThatWasSlow) {
  FlagRecord slow = stuck_server();
  slow.slow = true;
  slow.dwell = {5s};
  slow.holders.clear();
  const Said said = report({stuck_server(), slow, cleared(stuck_server(), 9s)});
  EXPECT_EQ(said.leaked, 0U);
  EXPECT_THAT(said.text, HasSubstr("1 socket in CLOSE_WAIT eof_read  python3[4711]\n"))
      << "who held it was told before";
  EXPECT_THAT(said.text, HasSubstr("closed after 5.000s\n"));
}

TEST(RunReport, WhatIsNoLeakOfTheCommandIsListed) {
  FlagRecord failed = stuck_server(Cause::ConnectFailed, 1);
  failed.state = State::Closed;
  FlagRecord waits = stuck_server(Cause::NotAccepted, 2);
  waits.kind = FlagKind::Accept;
  const Said said = report({failed, waits});
  EXPECT_EQ(said.leaked, 0U);
  EXPECT_THAT(said.text, HasSubstr("also seen (no effect on the exit status):\n"));
  EXPECT_THAT(said.text, HasSubstr("1 socket in CLOSED connect_failed"));
}

TEST(RunReport, TheLastLineSaysHowNearItWas) {
  const Longest waited{.state = State::CloseWait, .dwell = 900ms, .socket = stuck_server().socket};
  const Said said = report({}, "true", 0, false, {waited});
  EXPECT_TRUE(said.text.ends_with(
      "CLOSED 1.000s; longest CLOSE_WAIT: 900ms (python3[4711] 10.0.0.1:8080 → 10.0.0.2:50000); "
      "longest FIN_WAIT_2: none\n"))
      << said.text;
}

class Kept final : public Sink {
 public:
  void write(const Record& record) noexcept override {
    flags.push_back(*std::get_if<FlagRecord>(&record));
  }
  std::vector<FlagRecord> flags;
};

TEST(RunReport, EachFlagIsWrittenOnceWithItsFate) {
  Captured captured;
  RunReport report(captured.output(), {}, default_thresholds(1s), 100ms);
  for (const FlagRecord& flag :
       {stuck_server(), cleared(stuck_server(), 3s), by_exit(half_closed_client(), 2s)})
    report.add(flag);
  Kept kept;
  report.write_flags(kept);
  ASSERT_EQ(kept.flags.size(), 2U);
  EXPECT_TRUE(kept.flags[0].slow && kept.flags[0].raised);
  EXPECT_EQ(kept.flags[0].dwell.value, 3s);
  EXPECT_TRUE(kept.flags[1].by_exit && !kept.flags[1].slow);
}

TEST(RunReport, TwoLivesOfOneCookieAreTwoSockets) {
  FlagRecord second = stuck_server();
  second.socket.life = 1;
  EXPECT_EQ(report({stuck_server(), second}).leaked, 2U);
}

TEST(RunReport, TwoStatesOfOneSocketAreOneLeak) {
  FlagRecord first = half_closed_client(), second = half_closed_client();
  first.state = State::Closed;
  first.cause = Cause::NotClosed;
  const Said said = report({first, second});
  EXPECT_EQ(said.leaked, 1U);
  EXPECT_THAT(said.text, HasSubstr("LEAK SUMMARY: 1 socket in 2 groups"));
}

TEST(RunReport, WithoutACookieTheEndpointsTell) {
  FlagRecord first = stuck_server(Cause::None, 1), second = stuck_server(Cause::None, 2);
  for (FlagRecord* flag : {&first, &second}) {
    flag->socket.cookie = 0;
    flag->state = State::SynReceived;
  }
  const Said said = report({first, second, cleared(first, 4s)});
  EXPECT_EQ(said.leaked, 0U) << "nothing that a process has to close";
  EXPECT_EQ(count_of(said.text, "left SYN_RECEIVED after 4.000s"), 1U) << said.text;
}

TEST(RunReport, OrphansAreNoLeaks) {
  const Said said = report({orphan(1), orphan(2)});
  EXPECT_EQ(said.leaked, 0U);
  EXPECT_THAT(said.text, HasSubstr("no leaked sockets"));
  EXPECT_EQ(report({orphan(1), stuck_server()}).leaked, 1U);
}

TEST(RunReport, AClearedFlagThatWasNeverRaisedIsNothing) {
  EXPECT_EQ(report({cleared(stuck_server(), 1s)}).leaked, 0U);
}

TEST(RunReport, OfAGroupTheOldestAreListed) {
  std::vector<FlagRecord> flags;
  for (std::uint16_t i = 0; i < 12; ++i) {
    flags.push_back(by_exit(stuck_server(Cause::EofRead, static_cast<std::uint16_t>(50000 + i)),
                            std::chrono::seconds{i + 1}));
  }
  const Said said = report(flags);
  EXPECT_EQ(said.leaked, 12U);
  EXPECT_THAT(said.text, HasSubstr("12 sockets in CLOSE_WAIT eof_read  python3[4711]\n"));
  EXPECT_THAT(said.text, HasSubstr("→ 10.0.0.2:50011  12.000s in CLOSE_WAIT"));
  EXPECT_THAT(said.text, Not(HasSubstr("10.0.0.2:50006 "))) << "only five of them";
  EXPECT_THAT(said.text, HasSubstr("==     and 7 more\n"));
  EXPECT_THAT(said.text, HasSubstr("12 sockets in CLOSE_WAIT, the oldest for 12.000s, until"));
  EXPECT_THAT(said.text, HasSubstr("LEAK SUMMARY: 12 sockets in 1 group\n"));
}

TEST(RunReport, Ipv6AndLowerBounds) {
  FlagRecord flag = stuck_server();
  flag.socket.flow = ipv6_server().flow;
  flag.dwell = {3s, {}};
  flag.by_exit = true;
  EXPECT_THAT(report({flag}).text,
              HasSubstr("[2001:db8::1]:443 → [2001:db8::2]:50000  ≥3.000s in CLOSE_WAIT"));
}

TEST(RunReport, ColorIsAskedFor) {
  EXPECT_THAT(report({stuck_server()}).text, Not(HasSubstr("\033")));
  EXPECT_THAT(report({stuck_server()}, "x", 0, true).text,
              HasSubstr("\033[31mLEAK SUMMARY: 1 socket in 1 group\033[0m\n"));
}

TEST(RunReport, HostileNamesDoNotReachTheTerminal) {
  for (const std::string_view comm : kHostile) {
    FlagRecord flag = stuck_server();
    flag.socket.owner = owner_of(1, comm);
    flag.socket.cgroup = kept("/" + std::string(comm) + ".service");
    flag.holders = {holder(1, comm, 3), holder(2, comm, 4)};
    const Said said = report({flag, by_exit(half_closed_client(), 1s)}, std::string(comm));
    EXPECT_EQ(hostile_byte_in_lines(said.text), "") << said.text;
  }
}

}  // namespace
}  // namespace tcpdwell
