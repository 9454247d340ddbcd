// SPDX-License-Identifier: Apache-2.0
// The text of `trace` on terminals of 60, 80, 100 and 120 columns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <iterator>
#include <sstream>

#include "sinks/text_sink.h"
#include "support/flags.h"
#include "support/screens.h"

namespace tcpdwell {
namespace {

using namespace samples;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kWidths[] = {60, 80, 100, 120, 200};
constexpr Kinds kOnlyConnections{.transitions = false, .flags = false, .connections = true};
constexpr Surroundings* kNowhere = nullptr;

class OnATerminal : public testing::Test {
 protected:
  OnATerminal() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }

  static std::string text(const std::vector<Record>& records, const TextStyle& style,
                          const Kinds& kinds = {}) {
    Captured captured;
    TextSink sink(captured.output(), kinds, style);
    for (const Record& record : records) sink.write(record);
    sink.write(EndRecord{});
    return captured.text();
  }
  static std::string text(const std::vector<Record>& records, std::size_t width,
                          const Kinds& kinds = {}) {
    const FixedScreen screen(width);
    return text(records, TextStyle{.screen = &screen}, kinds);
  }
};

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

TransitionRecord of_server(const char* local, const char* remote, Family family) {
  TransitionRecord record =
      transition(State::Established, State::CloseWait, Dwell{4507ms}, Why::Fin);
  record.socket.flow.family = family;
  record.socket.flow.local = endpoint(family, local, 443);
  record.socket.flow.remote = endpoint(family, remote, 50000);
  return record;
}

TransitionRecord longest_ipv6() {
  return of_server("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe",
                   "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Family::Ipv6);
}

ConnectionRecord finished(Ended ended = Ended::ResetReceived) {
  ConnectionRecord record{.when = kWhen, .socket = ipv4_client()};
  record.dwell[index(State::SynSent)] = Dwell{2ms};
  record.dwell[index(State::Established)] = Dwell{50ms};
  record.dwell[index(State::TimeWait)] = Dwell{60s};
  record.ended = ended;
  record.tally = Tally{.bytes_sent = 700, .bytes_received = 9'500'000};
  return record;
}

TEST_F(OnATerminal, At80ColumnsTheAddressesHaveALineOfTheirOwn) {
  EXPECT_EQ(text({StartRecord{}, of_server("10.0.0.1", "10.0.0.2", Family::Ipv4),
                  of_server("10.0.0.1", "10.0.0.2", Family::Ipv4),
                  of_server("2001:db8::1", "2001:db8::2", Family::Ipv6)},
                 80),
            "LOCAL → REMOTE\n"
            "TIME                 FROM → TO               TIME IN IT OWNER\n"
            "10.0.0.1:443 → 10.0.0.2:50000\n"
            "03:04:05.006  ESTABLISHED → CLOSE_WAIT           4.507s curl[42]\n"
            "03:04:05.006  ESTABLISHED → CLOSE_WAIT           4.507s curl[42]\n"
            "[2001:db8::1]:443 → [2001:db8::2]:50000\n"
            "03:04:05.006  ESTABLISHED → CLOSE_WAIT           4.507s curl[42]\n")
      << "and it is not repeated while they are the same";
}

TEST_F(OnATerminal, At100ColumnsALineHasBoth) {
  EXPECT_EQ(text({StartRecord{}, of_server("10.0.0.1", "10.0.0.2", Family::Ipv4), longest_ipv6(),
                  of_server("10.0.0.1", "10.0.0.2", Family::Ipv4)},
                 100),
            "TIME         LOCAL              REMOTE                    FROM → TO        TIME IN IT "
            "OWNER\n"
            "03:04:05.006 10.0.0.1:443       10.0.0.2:50000     ESTABLISHED → CLOSE_WAIT    4.507s "
            "curl[42]\n"
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:443 → "
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:50000\n"
            "03:04:05.006 :443               :50000             ESTABLISHED → CLOSE_WAIT    4.507s "
            "curl[42]\n"
            "03:04:05.006 10.0.0.1:443       10.0.0.2:50000     ESTABLISHED → CLOSE_WAIT    4.507s "
            "curl[42]\n");
}

TEST_F(OnATerminal, At120ColumnsAddressesHaveMoreRoom) {
  const TransitionRecord record = of_server("255.255.255.254", "255.255.255.255", Family::Ipv4);
  EXPECT_EQ(text({record}, 120),
            "03:04:05.006 255.255.255.254:443       255.255.255.255:50000      ESTABLISHED → "
            "CLOSE_WAIT    4.507s curl[42]\n");
}

TEST_F(OnATerminal, NothingReachesBeyondTheWidth) {
  FlagRecord flag = stuck_server();
  flag.socket.owner = owner_of(1'234'567, "fifteen-letters");
  flag.holders = {holder(1'234'567, "fifteen-letters", 9), holder(1'234'568, "other", 9)};
  FlagRecord ipv6 = flag;
  ipv6.socket.flow = longest_ipv6().socket.flow;
  TransitionRecord reset = longest_ipv6();
  reset.to = State::Closed;
  reset.why = Why::Unreachable;
  reset.socket.owner = flag.socket.owner;
  for (const std::size_t width : kWidths)
    for (const Record& record :
         {Record{flag}, Record{cleared(flag, 140s)}, Record{reset}, Record{StartRecord{}},
          Record{LostRecord{.when = kWhen, .events = 5, .transitions = 3, .at_most = 7}},
          Record{FailedConnectsRecord{.when = kWhen, .flow = ipv4_client().flow, .count = 1500}}})
      expect_fits(text({record}, width), width);
}

TEST_F(OnATerminal, ProseKeepsItsIndentAndItsWords) {
  for (const std::size_t width : {std::size_t{80}, std::size_t{100}, std::size_t{120}}) {
    const std::string shown = text({stuck_server()}, width);
    if (width >= 100) {
      EXPECT_EQ(words_of(shown), words_of(text({stuck_server()}, TextStyle{})))
          << "no word is broken or lost";
    }
    EXPECT_THAT(shown, HasSubstr("\n             next: find where python3 is done"));
  }
}

TEST_F(OnATerminal, TheHeaderComesAgainAfterAScreenful) {
  FixedScreen screen(100, 10);
  Captured captured;
  TextSink sink(captured.output(), {}, TextStyle{.screen = &screen});
  sink.write(StartRecord{});
  for (int i = 0; i < 30; ++i) sink.write(of_server("10.0.0.1", "10.0.0.2", Family::Ipv4));
  const std::vector<std::string> lines = lines_of(captured.text());
  std::size_t since = 0, headers = 0;
  for (const std::string& line : lines) {
    headers += line.starts_with("TIME ") ? 1 : 0;
    since = line.starts_with("TIME ") ? 0 : since + 1;
    EXPECT_LT(since, 10U) << "a screenful without a header";
  }
  EXPECT_GE(headers, 3U);
  EXPECT_LE(headers, 5U);
}

TEST_F(OnATerminal, TheHeaderFollowsANewSize) {
  FixedScreen screen(100, 6);
  Captured captured;
  TextSink sink(captured.output(), {}, TextStyle{.screen = &screen});
  sink.write(StartRecord{});
  screen.resize(80, 6);
  for (int i = 0; i < 8; ++i) sink.write(of_server("10.0.0.1", "10.0.0.2", Family::Ipv4));
  EXPECT_THAT(captured.text(), HasSubstr("\nLOCAL → REMOTE\nTIME "));
}

TEST_F(OnATerminal, APipeHasOneHeaderAndIsNotWrapped) {
  std::vector<Record> records = {StartRecord{}};
  for (int i = 0; i < 100; ++i) records.emplace_back(longest_ipv6());
  const std::vector<std::string> lines = lines_of(text(records, TextStyle{}));
  ASSERT_EQ(lines.size(), 101U);
  EXPECT_TRUE(lines[0].starts_with("TIME "));
  EXPECT_GT(display_width(lines[1]), 120U);
}

TEST_F(OnATerminal, ConnectionsHaveTheColumnsOfTcplife) {
  EXPECT_EQ(text({StartRecord{}, finished()}, 120, kOnlyConnections),
            "PID     COMM             LADDR                 LPORT RADDR                 RPORT     "
            "TX     RX        MS ENDED\n"
            "42      curl             10.0.0.1              54321 10.0.0.2                 80    "
            "700   9.1M     52.00 reset_received\n");
  EXPECT_EQ(text({StartRecord{}, finished(), finished(Ended::Fin)}, 80, kOnlyConnections),
            "LADDR → RADDR\n"
            "PID     COMM             LPORT RPORT     TX     RX        MS ENDED\n"
            "10.0.0.1 → 10.0.0.2\n"
            "42      curl             54321    80    700   9.1M     52.00 reset_received\n"
            "42      curl             54321    80    700   9.1M     52.00 fin\n");
  ConnectionRecord ipv6 = finished();
  ipv6.socket.flow = longest_ipv6().socket.flow;
  for (const std::size_t width : kWidths) {
    if (width < 80) continue;
    expect_fits(text({StartRecord{}, finished(), ipv6}, width, kOnlyConnections), width + 2);
  }
}

TEST_F(OnATerminal, AConnectionOfUnknownBeginningIsALowerBound) {
  ConnectionRecord record = finished();
  record.dwell[index(State::Established)] = Dwell{50ms, {}};
  record.tally.reset();
  record.socket.owner.reset();
  EXPECT_THAT(text({record}, 120, kOnlyConnections),
              HasSubstr("-      -    ≥52.00 reset_received"));
}

TEST_F(OnATerminal, AConnectionWithoutAKnownStateHasNoDuration) {
  ConnectionRecord record = finished();
  record.dwell = {};
  EXPECT_THAT(text({record}, 120, kOnlyConnections), HasSubstr("9.1M         - reset_received"));
}

TEST(Places, AreNamedOnceThereAreSeveral) {
  Surroundings here{.netns = 1, .named = {{7, "/run/netns/blue"}, {9, "/run/docker/netns/af"}}};
  Places places(&here);
  places.see(1, "/system.slice/nginx.service");
  EXPECT_EQ(places.text(1, "/system.slice/nginx.service"), "");
  places.see(7, "/system.slice/nginx.service");
  EXPECT_EQ(places.text(7, "/system.slice/nginx.service"), "netns blue");
  EXPECT_EQ(places.text(9, ""), "netns 9") << "`ip netns` does not know that name";
  places.see(1, "/system.slice/redis.service");
  EXPECT_EQ(places.text(7, "/system.slice/redis.service"), "netns blue  redis.service");
  EXPECT_EQ(Places(kNowhere).text(7, "/a"), "");
}

TEST_F(OnATerminal, APlaceStandsBehindTheOwnerOrAbove) {
  TransitionRecord here = of_server("10.0.0.1", "10.0.0.2", Family::Ipv4), there = here;
  here.socket.flow.netns = 1;
  there.socket.flow.netns = 7;
  Surroundings names{.netns = 1, .named = {{7, "/run/netns/blue"}}};
  EXPECT_THAT(text({here, there}, TextStyle{.here = &names}),
              HasSubstr(" curl[42]\n03:04:05.006 10.0.0.1:443       10.0.0.2:50000     ESTABLISHED "
                        "→ CLOSE_WAIT    4.507s curl[42]  netns blue\n"));
  const FixedScreen narrow(80), wide(160);
  EXPECT_THAT(text({here, there, here}, TextStyle{.here = &names, .screen = &narrow}),
              HasSubstr("\n10.0.0.1:443 → 10.0.0.2:50000  netns blue\n"));
  EXPECT_THAT(text({here, there}, TextStyle{.here = &names, .screen = &wide}),
              HasSubstr("curl[42]  netns blue\n"));
}

TEST_F(OnATerminal, TimesAsAsked) {
  const TransitionRecord record = of_server("10.0.0.1", "10.0.0.2", Family::Ipv4);
  EXPECT_TRUE(text({record}, TextStyle{.time = TimeFormat::Iso})
                  .starts_with("2026-01-02T03:04:05.006Z 10.0.0.1:443 "));
  TextClock mono(TimeFormat::Mono);
  EXPECT_EQ(mono.format({.mono = 57'600'123'456'789ns}), "  57600.123456");
  EXPECT_EQ(mono.format({.mono = 57'600'123'456'789ns}).size(), mono.width());
  const FixedScreen screen(80);
  expect_fits(text({StartRecord{}, record, stuck_server()},
                   TextStyle{.screen = &screen, .time = TimeFormat::Iso}),
              80);
}

TEST_F(OnATerminal, ADateLineWhereTheDayChanges) {
  TransitionRecord today = of_server("10.0.0.1", "10.0.0.2", Family::Ipv4), tomorrow = today;
  tomorrow.when.unix_time += 24h;
  const std::string shown = text({today, today, tomorrow, tomorrow}, TextStyle{});
  EXPECT_EQ(count_of(shown, "2026-"), 1U) << shown;
  EXPECT_THAT(shown, HasSubstr("curl[42]\n2026-01-03\n03:04:05.006 "));
  EXPECT_THAT(text({today, tomorrow}, TextStyle{.time = TimeFormat::Iso}),
              Not(HasSubstr("\n2026-01-03\n")));
}

TEST_F(OnATerminal, AReplayBeginsWithItsDateAndHost) {
  const StartRecord start{.when = kWhen, .kernel = "6.12.9", .host = "web-1"};
  EXPECT_TRUE(
      text({start}, TextStyle{.replayed = true})
          .starts_with("recorded 2026-01-02 03:04:05 +0000 on web-1 (Linux 6.12.9)\nTIME "));
  EXPECT_TRUE(text({start}, TextStyle{}).starts_with("TIME "));
}

TEST_F(OnATerminal, ASlowHandshakeFits) {
  TransitionRecord record = transition(State::SynSent, State::Established, Dwell{3s}, Why::Ack);
  record.syns_sent = 3;
  EXPECT_THAT(text({record}, 200), HasSubstr("curl[42]  SYN sent 3 times\n"));
  EXPECT_THAT(text({record}, 80), HasSubstr("curl[42]\n             SYN sent 3 times\n"));
  record.socket.owner = owner_of(1234567, "a-long-name-here");
  for (const std::size_t width : kWidths) {
    const std::string all = text({record}, width);
    EXPECT_THAT(all, HasSubstr("SYN sent 3 times\n"));
    std::istringstream in(all);
    for (std::string line; std::getline(in, line);) EXPECT_LE(display_width(line), width) << all;
  }
}

}  // namespace
}  // namespace tcpdwell
