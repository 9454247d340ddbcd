// SPDX-License-Identifier: Apache-2.0
// A flag in text: the columns of a transition, and below it what is wrong and what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "sinks/text_sink.h"
#include "support/flags.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kBelow = "\n             ";

std::string flag_text(const Record& record, bool color = false, const Kinds& kinds = {}) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  Captured captured;
  TextSink sink(captured.output(), kinds, TextStyle{.color = color, .header = true});
  sink.write(record);
  sink.write(EndRecord{});  // what was raised together is known by now
  return captured.text();
}

std::string first_line(const Record& record) {
  const std::string all = flag_text(record);
  return all.substr(0, all.find('\n'));
}

TEST(TextFlag, Raised) {
  EXPECT_EQ(flag_text(stuck_server()),
            "03:04:05.006 10.0.0.1:8080      10.0.0.2:50000    STUCK CLOSE_WAIT eof_read     "
            "2m10s python3[4711]" +
                std::string(kBelow) +
                "the peer closed 2m10s ago; nothing is left to read, and fd 9 of python3[4711] in "
                "web.service is still open" +
                std::string(kBelow) +
                "next: find where python3 is done with a connection but does not close() it: "
                "strace -f -p 4711 -e trace=read,readv,recvfrom,recvmsg,shutdown,close\n");
}

TEST(TextFlag, UsesTheColumnsOfTransitions) {
  const std::string header = first_line(StartRecord{});
  for (const Cause cause : kCauses) {
    FlagRecord flag = stuck_server(cause);
    if (cause == Cause::NotClosed || cause == Cause::ConnectFailed) flag.state = State::Closed;
    const std::string shown = first_line(flag);
    EXPECT_EQ(shown.find("10.0.0.1"), header.find("LOCAL")) << shown;
    EXPECT_EQ(shown.find("10.0.0.2"), header.find("REMOTE")) << shown;
    EXPECT_EQ(shown.find("python3["), display_width(header.substr(0, header.find("OWNER"))))
        << shown;
    EXPECT_LE(display_width(shown), 100U) << shown;
  }
}

TEST(TextFlag, InexactAgesAreMarked) {
  FlagRecord flag = stuck_server();
  flag.dwell.error.reset();
  EXPECT_THAT(first_line(flag), HasSubstr(" ≥2m10s python3"));
  flag.dwell.error = 4ms;
  EXPECT_THAT(first_line(flag), HasSubstr(" ~2m10s python3"));
}

TEST(TextFlag, SeveralHoldersAreCounted) {
  FlagRecord flag = stuck_server();
  flag.holders.push_back(holder(4711, "python3", 10));
  EXPECT_TRUE(first_line(flag).ends_with(" python3[4711]")) << "one process";
  flag.holders.push_back(holder(4712, "python3", 9));
  flag.holders.push_back(holder(4713, "python3", 9));
  EXPECT_TRUE(first_line(flag).ends_with(" python3[4711] +2")) << first_line(flag);
}

TEST(TextFlag, ShowsTheOwnerWithoutHolders) {
  FlagRecord flag = orphan();
  EXPECT_TRUE(first_line(flag).ends_with(" python3[4711]")) << first_line(flag);
  flag.socket.owner.reset();
  EXPECT_TRUE(first_line(flag).ends_with(" -")) << first_line(flag);
}

TEST(TextFlag, AStateWithoutACause) {
  FlagRecord flag = stuck_server(Cause::None);
  flag.state = State::SynSent;
  EXPECT_THAT(first_line(flag), HasSubstr(" STUCK SYN_SENT  "));
  EXPECT_THAT(flag_text(flag), HasSubstr("next: find out why the peer does not answer"));
}

TEST(TextFlag, ClearedIsOneLine) {
  EXPECT_EQ(flag_text(cleared(stuck_server(), 140s)),
            "03:04:05.006 10.0.0.1:8080      10.0.0.2:50000    CLOSE_WAIT eof_read cleared   "
            "2m20s python3[4711]\n");
}

std::string text_of(const std::vector<FlagRecord>& flags) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  Captured captured;
  TextSink sink(captured.output(), Kinds{}, TextStyle{});
  for (const FlagRecord& flag : flags) sink.write(flag);
  sink.write(EndRecord{});
  return captured.text();
}

TEST(TextFlag, GroupsFlagsRaisedTogether) {
  std::vector<FlagRecord> flags;
  for (std::uint16_t port = 0; port < 150; ++port)
    flags.push_back(stuck_server(Cause::EofRead, static_cast<std::uint16_t>(50000 + port)));
  flags.push_back(half_closed_client());
  const std::string shown = text_of(flags);
  EXPECT_EQ(count_of(shown, "\n"), 6U) << shown;
  EXPECT_THAT(shown, HasSubstr("03:04:05.006 :8080              10.0.0.2          STUCK CLOSE_WAIT "
                               "eof_read ×150"));
  EXPECT_THAT(shown, HasSubstr("the peer closed 150 connections, the oldest 2m10s ago"));
  EXPECT_THAT(shown, HasSubstr("10.0.0.9:5432     STUCK FIN_WAIT_2 half_closed"));
}

TEST(TextFlag, LaterLinesFollowTheFlag) {
  const std::string shown = text_of({stuck_server(), cleared(stuck_server(), 140s)});
  EXPECT_LT(shown.find("STUCK CLOSE_WAIT"), shown.find("CLOSE_WAIT eof_read cleared")) << shown;
}

TEST(TextFlag, Ipv6) {
  FlagRecord flag = stuck_server();
  flag.socket.flow = ipv6_server().flow;
  EXPECT_THAT(first_line(flag),
              HasSubstr(" [2001:db8::1]:443  [2001:db8::2]:50000 STUCK CLOSE_WAIT eof_read "));
}

TEST(TextFlag, ColorsByCause) {
  EXPECT_THAT(flag_text(stuck_server(), true),
              HasSubstr("\033[31mSTUCK CLOSE_WAIT eof_read\033[0m"));
  EXPECT_THAT(flag_text(orphan(), true), HasSubstr("\033[33mSTUCK FIN_WAIT_2 orphaned\033[0m"));
  EXPECT_THAT(flag_text(cleared(stuck_server(), 1s), true),
              HasSubstr("\033[32mCLOSE_WAIT eof_read cleared\033[0m"));
  EXPECT_THAT(flag_text(stuck_server()), Not(HasSubstr("\033")));
}

TEST(TextFlag, TraceShowsFlagsByDefaultAndOnlyOthersIfAsked) {
  const Kinds by_default{.transitions = true, .connections = false};
  EXPECT_NE(flag_text(stuck_server(), false, by_default), "");
  EXPECT_EQ(flag_text(stuck_server(), false, Kinds{.flags = false}), "");
}

TEST(TextFlag, HostileNamesDoNotReachTheTerminal) {
  for (const std::string_view comm : kHostile) {
    FlagRecord flag = stuck_server();
    flag.socket.owner = owner_of(1, comm);
    flag.socket.cgroup = kept("/" + std::string(comm) + ".service");
    flag.holders = {holder(1, comm, 3), holder(2, comm, 4)};
    const std::string shown = flag_text(flag);
    EXPECT_EQ(hostile_byte_in_lines(shown), "") << shown;
    EXPECT_EQ(count_of(shown, "\n"), 3U) << "no lines of their own";
  }
}

}  // namespace
}  // namespace tcpdwell
