// SPDX-License-Identifier: Apache-2.0
// Ports in use for a destination, the capacity, and when ports run out.
#include "stats/port_pressure.h"

#include "support/counted.h"

namespace tcpdwell::test {
namespace {

const PortUse& only(const Counted& counted) {
  static const PortUse kNone;
  EXPECT_EQ(counted.records.back().ports.size(), 1U);
  return counted.records.back().ports.empty() ? kNone : counted.records.back().ports.front();
}

TEST(PortPressure, CountsClientsOfDestination) {
  Counted counted;
  counted.port_range(40000, 40099, 10);
  for (std::uint64_t cookie = 1; cookie <= 3; ++cookie) counted.connects(cookie, 1s);
  counted.closes(2, 2s);
  counted.wait(10s);
  const PortUse& use = only(counted);
  EXPECT_EQ(use.used, 3U);
  EXPECT_EQ(use.states[index(State::Established)], 2U);
  EXPECT_EQ(use.states[index(State::TimeWait)], 1U);
  EXPECT_EQ(use.range.size(), 90U);
  EXPECT_EQ(use.remote.port, 80);
  EXPECT_EQ(use.site.netns, 4026531840U);
  EXPECT_EQ(use.reusable, 0U);
  EXPECT_EQ(use.capacity(), 90U);
}

// Connects and closes `per_second` times a second from `begin` on; one look every ten seconds.
void connects_and_closes(Counted& counted, int per_second, int begin, int end) {
  for (int second = begin; second < end; ++second) {
    for (int i = 0; i < per_second; ++i) {
      const auto cookie = static_cast<std::uint64_t>(second * per_second + i + 1);
      const Nanos at = second * 1s + i * (1s / per_second);
      counted.connects(cookie, at);
      counted.closes(cookie, at + 10ms);
    }
    if ((second + 1) % 10 == 0) counted.wait(second * 1s + 1s);
  }
}

TEST(PortPressure, ForecastsRunningOut) {
  Counted counted;
  counted.port_range(40000, 40199);
  connects_and_closes(counted, 5, 0, 20);
  const PortForecast& forecast = only(counted).forecast;
  EXPECT_EQ(forecast.outlook, Outlook::RunsOut);
  EXPECT_NEAR(std::chrono::duration<double>(forecast.runs_out_in.value_or(0s)).count(), 20, 1);
}

TEST(PortPressure, ForecastsLevel) {
  Counted counted;
  counted.port_range(40000, 40199);
  connects_and_closes(counted, 3, 0, 20);
  const PortForecast& forecast = only(counted).forecast;
  EXPECT_EQ(forecast.outlook, Outlook::LevelsOff);
  EXPECT_NEAR(forecast.level, 183, 6);
}

TEST(PortPressure, UsesNewPortRange) {
  Counted counted;
  counted.port_range(40000, 40199);
  connects_and_closes(counted, 5, 0, 20);
  counted.port_range(40000, 40499);
  connects_and_closes(counted, 5, 20, 30);
  const PortUse& use = only(counted);
  EXPECT_EQ(use.capacity(), 500U);
  EXPECT_EQ(use.forecast.outlook, Outlook::LevelsOff);
  EXPECT_NEAR(use.forecast.level, 305, 10);
}

TEST(PortPressure, FullRange) {
  Counted counted;
  counted.port_range(40000, 40003);
  counted.wait(10s);
  for (std::uint64_t cookie = 0; cookie <= 3; ++cookie) counted.connects(cookie + 1, 11s);
  counted.port_range(40001, 40004);
  counted.wait(20s);
  EXPECT_EQ(only(counted).used, 4U);
  EXPECT_EQ(only(counted).forecast.outlook, Outlook::Full);
  EXPECT_EQ(only(counted).forecast.runs_out_in, 0s);
}

// With tcp_tw_reuse, a TIME_WAIT with TCP timestamps does not use up a port after a second.
TEST(PortPressure, ReusableTimeWaitIsNotUsed) {
  const auto used = [](std::uint8_t reuse, bool timestamped, bool loopback) {
    Counted counted;
    counted.tell(NamespaceEvent{
        .at = kBegan, .netns_cookie = 1, .port_low = 40000, .port_high = 40099, .tw_reuse = reuse});
    for (std::uint64_t cookie = 1; cookie <= 2; ++cookie) {
      auto syn = counted.moves(State::Closed, State::SynSent, 1s, cookie);
      if (loopback) syn.flow.remote.addr = {127, 0, 0, 1};
      syn.flow.local.port = 0;
      auto open = counted.moves(State::SynSent, State::Established, 1s, cookie);
      auto wait = counted.minisock(TimerOp::Start, cookie == 1 ? 2s : 9500ms, cookie);
      auto gone = counted.moves(State::Established, State::Closed, 2s, cookie);
      for (Flow* flow : {&open.flow, &wait.flow, &gone.flow})
        flow->remote.addr = syn.flow.remote.addr;
      gone.dead = true;
      gone.timestamped = timestamped;
      counted.tell(syn);
      counted.tell(open);
      counted.tell(wait);
      counted.tell(gone);
    }
    counted.wait(10s);
    EXPECT_EQ(only(counted).states[index(State::TimeWait)], 2U);
    EXPECT_EQ(only(counted).used + only(counted).reusable, 2U);
    return only(counted).used;
  };
  EXPECT_EQ(used(0, true, true), 2U);
  EXPECT_EQ(used(1, true, false), 1U) << "the other is younger than a second";
  EXPECT_EQ(used(1, false, false), 2U);
  EXPECT_EQ(used(2, true, true), 1U);
  EXPECT_EQ(used(2, true, false), 2U) << "2 is for loopback";
}

// connect() skips every port that was bound, on any address and by any kind of socket.
TEST(PortPressure, BoundPortsReduceCapacity) {
  Counted counted;
  counted.tell(NamespaceEvent{.at = kBegan,
                              .netns_cookie = 1,
                              .port_low = 40000,
                              .port_high = 40099,
                              .reserved_ports = 10,
                              .reserved = {{40090, 40099}},
                              .bound = {{40050, 40051}, {50000, 50000}}});
  auto listen = counted.moves(State::Closed, State::Listen, 1s, 2);
  listen.flow = make_flow(40050, 0);  // reported as bound and seen as a listener
  counted.tell(listen);
  auto request = counted.request(TimerOp::Start, 2s);
  request.flow = make_flow(40060, 40000);
  counted.tell(request);
  auto bound = counted.moves(State::Closed, State::SynSent, 1s, 3);
  bound.flow.local.port = 40070;
  counted.tell(bound);
  auto found = SnapshotEvent{.at = kBegan, .object = 5, .cookie = 5};
  found.flow = make_flow(40080);
  found.state = State::Established;
  found.port_bound = true;
  counted.tell(found);
  auto automatic = counted.moves(State::Closed, State::SynSent, 1s, 4);
  automatic.flow.local.port = 0;
  counted.tell(automatic);
  counted.tell(counted.moves(State::SynSent, State::Established, 1s, 4));
  counted.wait(10s);
  EXPECT_EQ(only(counted).used, 1U);
  EXPECT_EQ(only(counted).range.size(), 90U);
  EXPECT_EQ(only(counted).bound, 5U) << "40050, 40051, 40060, 40070, 40080";
  EXPECT_EQ(only(counted).capacity(), 85U);
}

TEST(PortPressure, FailedConnectsByInterval) {
  Counted counted({.rows = 1});
  counted.port_range(40000, 40099);
  for (std::uint64_t cookie = 1; cookie <= 9; ++cookie) counted.connects(cookie, 1s);
  for (std::uint64_t cookie = 101; cookie <= 103; ++cookie) counted.finds_no_port(cookie, 81, 2s);
  counted.wait(10s);
  ASSERT_EQ(counted.records.back().ports.size(), 1U);
  EXPECT_EQ(only(counted).remote.port, 81) << "failing destinations come first";
  EXPECT_EQ(only(counted).failed, 3U);
  EXPECT_EQ(only(counted).used, 0U);
  ASSERT_EQ(counted.records.back().connects_failed.size(), 1U);
  EXPECT_EQ(counted.records.back().connects_failed[0].count, 3U);
  EXPECT_EQ(counted.records.back().connects_failed[0].process->pid, 42U);
  counted.wait(20s);
  EXPECT_EQ(only(counted).remote.port, 80);
  EXPECT_EQ(only(counted).failed, 0U);
  EXPECT_TRUE(counted.records.back().connects_failed.empty());
  counted.finish(21s);
  EXPECT_EQ(only(counted).failed, 3U) << "in the whole run";
  EXPECT_EQ(counted.records.back().connects_failed[0].count, 3U);
}

TEST(PortPressure, FailedConnectsBelongToTheirDestination) {
  Counted counted;
  counted.port_range(40000, 40099);
  for (std::uint64_t cookie = 1; cookie <= 9; ++cookie) counted.connects(cookie, 1s);
  counted.finds_no_port(101, 80, 2s);
  counted.wait(10s);
  ASSERT_EQ(counted.records.back().ports.size(), 1U);
  EXPECT_EQ(only(counted).used, 9U);
  EXPECT_EQ(only(counted).failed, 1U);
}

TEST(PortPressure, IgnoresServersAndBoundPorts) {
  Counted counted;
  counted.port_range(50000, 50099);
  counted.connects(1, 1s);  // from 40001: bound explicitly
  auto listen = counted.moves(State::Closed, State::Listen, 1s, 2);
  listen.flow = make_flow(50001, 0);
  counted.tell(listen);
  auto request = counted.request(TimerOp::Start, 2s);
  request.flow = make_flow(50001, 40000);
  counted.tell(request);
  counted.wait(10s);
  EXPECT_TRUE(counted.records.back().ports.empty());
}

TEST(PortPressure, OlderConnectionCountsAsClient) {
  Counted counted;
  counted.port_range(40000, 40099);
  SnapshotEvent found{.at = kBegan, .object = 5, .cookie = 5};
  found.flow = make_flow(40005);
  found.state = State::Established;
  counted.tell(found);
  counted.wait(10s);
  EXPECT_EQ(only(counted).used, 1U);
}

TEST(PortPressure, FullestComeFirst) {
  Counted counted({.rows = 2});
  counted.port_range(40000, 41000);
  for (std::uint64_t cookie = 1; cookie <= 9; ++cookie) {
    auto open = counted.moves(State::SynSent, State::Established, 1s, cookie);
    open.flow.remote.port = static_cast<std::uint16_t>(cookie <= 2 ? 81 : cookie <= 5 ? 82 : 83);
    counted.tell(open);
  }
  counted.wait(10s);
  ASSERT_EQ(counted.records.back().ports.size(), 2U);
  EXPECT_EQ(counted.records.back().ports[0].remote.port, 83);
  EXPECT_EQ(counted.records.back().ports[0].used, 4U);
  EXPECT_EQ(counted.records.back().ports[1].remote.port, 82);
}

// With any number of destinations, one that uses many ports is counted exactly.
TEST(PortPressure, ManyDestinationsAreBounded) {
  Counted counted({.rows = 100'000});
  counted.port_range(1, 65535);
  for (std::uint32_t i = 0; i < 3 * PortPressure::kMost; ++i) {
    auto open = counted.moves(State::SynSent, State::Established, 1s, i + 1);
    open.flow.local.port = static_cast<std::uint16_t>(1 + i % 60'000);
    if (i % 16 != 0) {
      open.flow.remote.addr = {10, 1, static_cast<std::uint8_t>(i >> 8U),
                               static_cast<std::uint8_t>(i)};
      open.flow.remote.port = static_cast<std::uint16_t>(1 + (i >> 16U));
    }
    counted.tell(open);
  }
  counted.wait(10s);
  EXPECT_LE(counted.records.back().ports.size(), PortPressure::kMost);
  EXPECT_EQ(counted.records.back().ports.front().used, 3 * PortPressure::kMost / 16);
}

TEST(PortRanges, NamespaceIsQueriedOnce) {
  Counted counted;
  counted.connects(1, 1s);
  counted.connects(2, 1s);
  EXPECT_EQ(counted.table.take_unknown_namespaces(), std::vector<std::uint64_t>{1});
  EXPECT_TRUE(counted.table.take_unknown_namespaces().empty());
  EXPECT_EQ(counted.table.port_ranges().find(1), nullptr);
  counted.port_range(32768, 60999);
  ASSERT_NE(counted.table.port_ranges().find(1), nullptr);
  EXPECT_EQ(counted.table.port_ranges().find(1)->size(), 28'232U);
}

TEST(PortRanges, KnownNamespaceIsNotQueried) {
  PortRanges ranges;
  ranges.learn({.netns_cookie = 5, .port_low = 1, .port_high = 2});
  ranges.see(5);
  ranges.see(6);
  ranges.learn({.netns_cookie = 6});
  EXPECT_TRUE(ranges.take_unknown().empty()) << "the answer for 6 was: cannot be read";
  EXPECT_EQ(ranges.find(6), nullptr);
}

TEST(PortRanges, AreBounded) {
  PortRanges ranges;
  for (std::uint64_t cookie = 1; cookie < 100'000; ++cookie) ranges.see(cookie);
  EXPECT_LE(ranges.take_unknown().size(), 16384U);
  ranges.see(1);
  EXPECT_EQ(ranges.take_unknown().size(), 1U) << "dropped, and queried again";
}

TEST(PortRanges, ParsesPortList) {
  const auto spans = [](std::string_view list) { return parse_ports(list, 100, 200); };
  EXPECT_EQ(spans("80,100,110-120,190-300"),
            (std::vector<PortSpan>{{100, 100}, {110, 120}, {190, 200}}));
  EXPECT_EQ(count_ports(spans("80,100,110-120,190-300")), 23U);
  for (const std::string_view nothing : {"", "\n", "x", "120-110", "-5", "150-"})
    EXPECT_TRUE(spans(nothing).empty()) << nothing;
}

TEST(PortRanges, InvalidRangeIsUnknown) {
  PortRanges ranges;
  ranges.learn({.netns_cookie = 1, .port_low = 5, .port_high = 4});
  EXPECT_EQ(ranges.find(1), nullptr);
  ranges.learn({.netns_cookie = 2, .port_low = 5, .port_high = 6, .reserved_ports = 100});
  EXPECT_EQ(ranges.find(2)->size(), 0U);
}

}  // namespace
}  // namespace tcpdwell::test
