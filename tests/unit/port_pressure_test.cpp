// SPDX-License-Identifier: Apache-2.0
// How many ports are in use to a destination, of how many, and when that is all of them.
#include "core/port_pressure.h"

#include "counted.h"

namespace tcpdwell::test {
namespace {

const PortUse& only(const Counted& counted) {
  static const PortUse kNone;
  EXPECT_EQ(counted.said.back().ports.size(), 1U);
  return counted.said.back().ports.empty() ? kNone : counted.said.back().ports.front();
}

TEST(PortPressure, CountsTheClientsOfADestination) {
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
  EXPECT_EQ(use.time_left, std::nullopt) << "there is nothing to compare with";
}

TEST(PortPressure, SaysWhenAllAreInUse) {
  Counted counted;
  counted.port_range(40000, 40099);
  for (std::uint64_t cookie = 1; cookie <= 20; ++cookie) counted.connects(cookie, 1s);
  counted.wait(10s);
  for (std::uint64_t cookie = 21; cookie <= 40; ++cookie) counted.connects(cookie, 11s);
  counted.wait(20s);
  EXPECT_EQ(only(counted).time_left, 30s) << "60 left, 2 a second more";
  counted.finish(20s + 1ms);
  EXPECT_EQ(only(counted).time_left, Nanos{29'999'999'999} + 1ns)
      << "too soon for a rate of its own";
}

TEST(PortPressure, WhatDoesNotGrowIsNeverExhausted) {
  Counted counted;
  counted.port_range(40000, 40099);
  counted.connects(1, 1s);
  counted.wait(10s);
  counted.wait(20s);
  EXPECT_EQ(only(counted).time_left, std::nullopt);
}

TEST(PortPressure, WhatIsFullIsExhaustedNow) {
  Counted counted;
  counted.port_range(40000, 40003);
  counted.wait(10s);
  for (std::uint64_t cookie = 0; cookie <= 3; ++cookie) counted.connects(cookie + 1, 11s);
  counted.port_range(40001, 40004);
  counted.wait(20s);
  EXPECT_EQ(only(counted).used, 4U);
  EXPECT_EQ(only(counted).time_left, 0s);
}

TEST(PortPressure, ServersAndChosenPortsAreNotCounted) {
  Counted counted;
  counted.port_range(50000, 50099);
  counted.connects(1, 1s);  // from 40001: bound by hand
  auto listen = counted.moves(State::Closed, State::Listen, 1s, 2);
  listen.flow = make_flow(50001, 0);
  counted.tell(listen);
  auto request = counted.request(TimerOp::Start, 2s);
  request.flow = make_flow(50001, 40000);
  counted.tell(request);
  counted.wait(10s);
  EXPECT_TRUE(counted.said.back().ports.empty());
}

TEST(PortPressure, WhoIsOlderMayBeAClient) {
  Counted counted;
  counted.port_range(40000, 40099);
  SnapshotEvent found{.at = kBegan, .object = 5, .cookie = 5};
  found.flow = make_flow(40005);
  found.state = State::Established;
  counted.tell(found);
  counted.wait(10s);
  EXPECT_EQ(only(counted).used, 1U);
}

TEST(PortPressure, TheFullestComeFirst) {
  Counted counted({.rows = 2});
  counted.port_range(40000, 41000);
  for (std::uint64_t cookie = 1; cookie <= 9; ++cookie) {
    auto syn = counted.moves(State::Closed, State::SynSent, 1s, cookie);
    syn.flow.remote.port = static_cast<std::uint16_t>(cookie <= 2 ? 81 : cookie <= 5 ? 82 : 83);
    counted.tell(syn);
  }
  counted.wait(10s);
  ASSERT_EQ(counted.said.back().ports.size(), 2U);
  EXPECT_EQ(counted.said.back().ports[0].remote.port, 83);
  EXPECT_EQ(counted.said.back().ports[0].used, 4U);
  EXPECT_EQ(counted.said.back().ports[1].remote.port, 82);
}

// However many destinations there are, one that matters is counted to the last port.
TEST(PortPressure, ManyDestinationsAreBounded) {
  Counted counted({.rows = 100'000});
  counted.port_range(1, 65535);
  for (std::uint32_t i = 0; i < 3 * PortPressure::kMost; ++i) {
    auto syn = counted.moves(State::Closed, State::SynSent, 1s, i + 1);
    syn.flow.local.port = static_cast<std::uint16_t>(1 + i % 60'000);
    if (i % 16 != 0) {
      syn.flow.remote.addr = {10, 1, static_cast<std::uint8_t>(i >> 8U),
                              static_cast<std::uint8_t>(i)};
      syn.flow.remote.port = static_cast<std::uint16_t>(1 + (i >> 16U));
    }
    counted.tell(syn);
  }
  counted.wait(10s);
  EXPECT_LE(counted.said.back().ports.size(), PortPressure::kMost);
  EXPECT_EQ(counted.said.back().ports.front().used, 3 * PortPressure::kMost / 16);
}

TEST(PortRanges, ANamespaceIsAskedForOnce) {
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

TEST(PortRanges, WhatWasToldBeforeIsNotAskedFor) {
  PortRanges ranges;
  ranges.learn({.netns_cookie = 5, .port_low = 1, .port_high = 2});
  ranges.see(5);
  ranges.see(6);
  ranges.learn({.netns_cookie = 6});
  EXPECT_TRUE(ranges.take_unknown().empty()) << "6 was answered: it could not be read";
  EXPECT_EQ(ranges.find(6), nullptr);
}

TEST(PortRanges, AreBounded) {
  PortRanges ranges;
  for (std::uint64_t cookie = 1; cookie < 100'000; ++cookie) ranges.see(cookie);
  EXPECT_LE(ranges.take_unknown().size(), 16384U);
  ranges.see(1);
  EXPECT_EQ(ranges.take_unknown().size(), 1U) << "forgotten, and asked for again";
}

TEST(PortRanges, NonsenseIsNotKnown) {
  PortRanges ranges;
  ranges.learn({.netns_cookie = 1, .port_low = 5, .port_high = 4});
  EXPECT_EQ(ranges.find(1), nullptr);
  ranges.learn({.netns_cookie = 2, .port_low = 5, .port_high = 6, .reserved_ports = 100});
  EXPECT_EQ(ranges.find(2)->size(), 0U);
}

}  // namespace
}  // namespace tcpdwell::test
