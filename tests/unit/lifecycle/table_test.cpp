// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace tcpdwell {
namespace {

using Id = ConnectionTable::Id;
constexpr Id kNone = ConnectionTable::kNone;

Flow flow_of(std::uint64_t netns_cookie, std::uint16_t port) {
  Flow flow;
  flow.local.port = port;
  flow.netns_cookie = netns_cookie;
  return flow;
}

Process process(std::uint32_t pid) {
  Process process;
  process.pid = pid;
  return process;
}

// Same as the lifecycle: evicts before it creates.
Id with_cookie(ConnectionTable& table, std::uint64_t cookie) {
  if (const Id victim = table.victim(); victim != kNone) table.erase(victim);
  const Id id = table.create();
  table.index_cookie(id, cookie);
  return id;
}

std::vector<std::uint64_t> cookies(ConnectionTable& table) {
  std::vector<std::uint64_t> all;
  table.for_each([&](Id id) { all.push_back(table[id].cookie); });
  return all;
}

TEST(ConnectionTable, FindsByCookieByObjectAndByFlow) {
  ConnectionTable table(10);
  const Id id = with_cookie(table, 7);
  table.index_object(id, 0x9000);
  table.set_flow(table[id], flow_of(1, 80));
  table.index_flow(id);
  EXPECT_EQ(table.by_cookie(7), id);
  EXPECT_EQ(table.by_object(0x9000), id);
  EXPECT_EQ(table.by_flow(flow_of(1, 80)), id);
  EXPECT_EQ(table.by_cookie(8), kNone);
  EXPECT_EQ(table.by_object(0x9001), kNone);
  EXPECT_EQ(table.by_flow(flow_of(1, 81)), kNone);
}

TEST(ConnectionTable, ErasedConnectionIsInNoIndex) {
  ConnectionTable table(10);
  const Id id = with_cookie(table, 7);
  table.index_object(id, 0x9000);
  table.set_flow(table[id], flow_of(1, 80));
  table.index_flow(id);
  table.erase(id);
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.by_cookie(7), kNone);
  EXPECT_EQ(table.by_object(0x9000), kNone);
  EXPECT_EQ(table.by_flow(flow_of(1, 80)), kNone);
}

TEST(ConnectionTable, EqualAddressesInTwoNamespacesAreSeparate) {
  ConnectionTable table(10);
  for (const std::uint64_t netns : {1U, 2U}) {
    const Id id = table.create();
    table.set_flow(table[id], flow_of(netns, 80));
    table.index_flow(id);
  }
  EXPECT_EQ(table.by_flow(flow_of(1, 80)), 0U);
  EXPECT_EQ(table.by_flow(flow_of(2, 80)), 1U);
}

TEST(ConnectionTable, FlowRoundTrips) {
  ConnectionTable table(10);
  Flow flow{.local = {{1, 2, 3}, 80}, .remote = {{4, 5, 6}, 9}, .netns_cookie = 3, .netns = 4};
  flow.family = Family::Ipv6;
  const Id id = table.create();
  table.set_flow(table[id], flow);
  EXPECT_EQ(table.flow(table[id]), flow);
  EXPECT_TRUE(table.has_flow(table[id], flow));
  for (Flow other : {flow_of(3, 80), Flow{}}) EXPECT_FALSE(table.has_flow(table[id], other));
}

TEST(ConnectionTable, ProcessIsKeptWhileAConnectionRefersToIt) {
  ConnectionTable table(10);
  const Id one = with_cookie(table, 1), two = with_cookie(table, 2);
  EXPECT_EQ(table.owner(table[one]), nullptr);
  table.set_owner(table[one], process(5), Via::Connect);
  table.copy_owner(table[two], table[one]);
  table.set_closer(table[two], process(6));
  table.erase(one);
  const Id three = with_cookie(table, 3);
  EXPECT_EQ(table.owner(table[three]), nullptr);
  table.set_owner(table[three], process(7), Via::Accept);
  EXPECT_EQ(table.owner(table[two])->pid, 5U);
  EXPECT_EQ(table.closer(table[two])->pid, 6U);
  EXPECT_EQ(table.owner(table[three])->pid, 7U);
  EXPECT_EQ(table[three].owner_via, Via::Accept);
}

TEST(ConnectionTable, TallyRoundTripsAtAnySize) {
  ConnectionTable table(10);
  const Id first = table.create(), second = table.create();
  EXPECT_EQ(table.tally(table[first]), std::nullopt);
  for (const std::uint64_t bytes :
       {std::uint64_t{5}, UINT64_MAX, std::uint64_t{UINT32_MAX}, std::uint64_t{UINT32_MAX} + 1}) {
    const Tally sent{.bytes_sent = bytes, .bytes_received = 2, .retransmits = 3, .srtt_us = 4};
    const Tally received{.bytes_sent = 1, .bytes_received = bytes};
    table.set_tally(table[first], sent);
    table.set_tally(table[second], received);
    EXPECT_EQ(table.tally(table[first]), sent) << bytes;
    EXPECT_EQ(table.tally(table[second]), received) << bytes;
  }
  table.erase(first);
  const Id reused = table.create();
  EXPECT_EQ(table.tally(table[reused]), std::nullopt);
}

TEST(ConnectionTable, TimesAddUpForAnyNumberOfStates) {
  ConnectionTable table(10);
  const Id id = table.create();
  Connection& connection = table[id];
  const std::array states = {State::SynSent,  State::SynReceived, State::Established,
                             State::FinWait1, State::FinWait2,    State::Closing};
  for (int round = 1; round <= 2; ++round)
    for (const State state : states)
      table.spend(connection, state, Nanos{index(state)}, Nanos{state == State::FinWait1 ? 3 : 0},
                  state == State::SynSent);
  const auto times = table.times(connection);
  for (const State state : states) {
    EXPECT_TRUE(times[index(state)].visited);
    EXPECT_EQ(times[index(state)].total, Nanos{2 * index(state)});
    EXPECT_EQ(times[index(state)].error, Nanos{state == State::FinWait1 ? 6 : 0});
    EXPECT_EQ(times[index(state)].lower_bound, state == State::SynSent);
  }
  EXPECT_FALSE(times[index(State::TimeWait)].visited);
}

TEST(ConnectionTable, LaterConnectionKeepsTheSameKey) {
  ConnectionTable table(10);
  const Id old = with_cookie(table, 7);
  table.index_object(old, 0x9000);
  table.index_flow(old);
  const Id young = with_cookie(table, 7);
  table.index_object(young, 0x9000);
  table.index_flow(young);
  table.erase(old);
  EXPECT_EQ(table.by_cookie(7), young);
  EXPECT_EQ(table.by_object(0x9000), young);
  EXPECT_EQ(table.by_flow(table.flow(table[young])), young);
}

TEST(ConnectionTable, ReusedIdHasANewGenerationAndNoOldFields) {
  ConnectionTable table(10);
  const Id old = with_cookie(table, 7);
  const std::uint32_t generation = table.generation(old);
  table[old].reset_sent = true;
  table.cold_state(table[old]).held.resize(3);
  table.set_life(table[old], 4);
  EXPECT_TRUE(table.alive(old, generation));
  table.erase(old);
  EXPECT_FALSE(table.alive(old, generation)) << "gone";
  const Id young = table.create();
  ASSERT_EQ(young, old);
  EXPECT_FALSE(table.alive(young, generation)) << "another";
  EXPECT_TRUE(table.alive(young, table.generation(young)));
  EXPECT_EQ(table[young].cookie, 0U);
  EXPECT_FALSE(table[young].reset_sent);
  EXPECT_EQ(table.find_cold_state(table[young]), nullptr);
  EXPECT_TRUE(table.cold_state(table[young]).held.empty());
  EXPECT_EQ(table.life(table[young]), 0U);
}

TEST(ConnectionTable, ErasedIdIsNotAlive) {
  ConnectionTable table(10);
  const Id id = table.create();
  table.erase(id);
  EXPECT_FALSE(table.alive(id, table.generation(id)));
}

TEST(ConnectionTable, FullTableEvictsAConnectionWithoutRecentEvents) {
  ConnectionTable table(3);
  for (std::uint64_t cookie : {1, 2, 3, 4}) with_cookie(table, cookie);
  EXPECT_THAT(cookies(table), testing::UnorderedElementsAre(2, 3, 4)) << "the oldest";
  table.touch(table.by_cookie(2));
  with_cookie(table, 5);
  EXPECT_THAT(cookies(table), testing::UnorderedElementsAre(2, 4, 5))
      << "3 was evicted, 2 had an event";
  EXPECT_EQ(table.size(), 3U);
  EXPECT_EQ(table.evicted(), 2U);
}

TEST(ConnectionTable, FlaggedConnectionStaysWhileThereIsAnother) {
  ConnectionTable table(3);
  const Id flagged = with_cookie(table, 1);
  table[flagged].flag = FlagStage::Raised;
  for (std::uint64_t cookie = 2; cookie < 20; ++cookie) with_cookie(table, cookie);
  EXPECT_EQ(table.by_cookie(1), flagged);
  table.for_each([&](Id id) { table[id].flag = FlagStage::Raised; });
  with_cookie(table, 20);
  EXPECT_EQ(table.size(), 3U) << "but not for ever";
}

TEST(ConnectionTable, HasRoomForOne) {
  ConnectionTable table(1);
  const Id id = with_cookie(table, 1);
  table.touch(id);
  with_cookie(table, 2);
  EXPECT_EQ(cookies(table), (std::vector<std::uint64_t>{2}));
  table.erase(table.by_cookie(2));
  EXPECT_TRUE(cookies(table).empty());
  with_cookie(table, 3);
  EXPECT_EQ(table.evicted(), 1U);
}

TEST(ConnectionTable, VisitedConnectionMayBeErased) {
  ConnectionTable table(10);
  for (std::uint64_t cookie : {1, 2, 3}) with_cookie(table, cookie);
  table.for_each([&](Id id) {
    if (table[id].cookie != 2) table.erase(id);
  });
  EXPECT_EQ(cookies(table), (std::vector<std::uint64_t>{2}));
}

TEST(ConnectionTable, NeverHoldsMoreThanItsLimit) {
  ConnectionTable table(100);
  for (std::uint64_t cookie = 1; cookie <= 10'000; ++cookie) {
    const Id id = with_cookie(table, cookie);
    table.index_object(id, 0x1000 + cookie % 300);  // addresses are reused
    if (const Id other = table.by_cookie(cookie - 50); other != kNone) table.touch(other);
    if (cookie % 7 == 0) table.erase(id);
    ASSERT_LE(table.size(), 100U);
  }
  std::size_t visited = 0;
  table.for_each([&](Id id) {
    ++visited;
    EXPECT_EQ(table.by_cookie(table[id].cookie), id);
  });
  EXPECT_EQ(visited, table.size());
}

}  // namespace
}  // namespace tcpdwell
