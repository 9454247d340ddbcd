// SPDX-License-Identifier: Apache-2.0
#include "core/table.h"

#include <gtest/gtest.h>

#include <vector>

namespace tcpdwell {
namespace {

using Id = ConnectionTable::Id;
constexpr Id kNone = ConnectionTable::kNone;

Id with_cookie(ConnectionTable& table, std::uint64_t cookie) {
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
  table[id].flow.local.port = 80;
  table.index_flow(id);
  EXPECT_EQ(table.by_cookie(7), id);
  EXPECT_EQ(table.by_object(0x9000), id);
  EXPECT_EQ(table.by_flow(table[id].flow), id);
  EXPECT_EQ(table.by_cookie(8), kNone);
  EXPECT_EQ(table.by_object(0x9001), kNone);
  EXPECT_EQ(table.by_flow(Flow{}), kNone);
}

TEST(ConnectionTable, ErasedIsInNoIndex) {
  ConnectionTable table(10);
  const Id id = with_cookie(table, 7);
  table.index_object(id, 0x9000);
  table[id].flow.local.port = 80;
  table.index_flow(id);
  const Flow flow = table[id].flow;
  table.erase(id);
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.by_cookie(7), kNone);
  EXPECT_EQ(table.by_object(0x9000), kNone);
  EXPECT_EQ(table.by_flow(flow), kNone);
}

TEST(ConnectionTable, NamespacesWithEqualAddressesAreApart) {
  ConnectionTable table(10);
  const Id one = table.create(), two = table.create();
  table[one].flow.netns_cookie = 1;
  table[two].flow.netns_cookie = 2;
  table.index_flow(one);
  table.index_flow(two);
  EXPECT_EQ(table.by_flow(table[one].flow), one);
  EXPECT_EQ(table.by_flow(table[two].flow), two);
}

TEST(ConnectionTable, ALaterOneWithTheSameKeyKeepsIt) {
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
  EXPECT_EQ(table.by_flow(Flow{}), young);
}

TEST(ConnectionTable, AnIdIsReusedWithAnotherGenerationAndNothingOfTheOneBefore) {
  ConnectionTable table(10);
  const Id old = with_cookie(table, 7);
  const std::uint32_t generation = table.generation(old);
  table[old].reset_sent = true;
  table[old].held.resize(3);
  EXPECT_TRUE(table.alive(old, generation));
  table.erase(old);
  EXPECT_FALSE(table.alive(old, generation)) << "gone";
  const Id young = table.create();
  ASSERT_EQ(young, old);
  EXPECT_FALSE(table.alive(young, generation)) << "another";
  EXPECT_TRUE(table.alive(young, table.generation(young)));
  EXPECT_EQ(table[young].cookie, 0U);
  EXPECT_FALSE(table[young].reset_sent);
  EXPECT_TRUE(table[young].held.empty());
}

TEST(ConnectionTable, AnErasedIdIsNotAliveBeforeItIsReused) {
  ConnectionTable table(10);
  const Id id = table.create();
  table.erase(id);
  EXPECT_FALSE(table.alive(id, table.generation(id)));
}

TEST(ConnectionTable, TheQuietestLeavesWhenItIsFull) {
  ConnectionTable table(3);
  const Id first = with_cookie(table, 1);
  with_cookie(table, 2);
  with_cookie(table, 3);
  table.touch(first);
  with_cookie(table, 4);
  EXPECT_EQ(table.by_cookie(2), kNone);
  EXPECT_EQ(cookies(table), (std::vector<std::uint64_t>{3, 1, 4})) << "the quietest first";
  EXPECT_EQ(table.size(), 3U);
  EXPECT_EQ(table.evicted(), 1U);
}

TEST(ConnectionTable, TouchingKeepsTheChainWhole) {
  ConnectionTable table(10);
  std::vector<Id> ids;
  for (std::uint64_t cookie : {1, 2, 3}) ids.push_back(with_cookie(table, cookie));
  table.touch(ids[2]);  // the newest
  table.touch(ids[1]);  // in the middle
  EXPECT_EQ(cookies(table), (std::vector<std::uint64_t>{1, 3, 2}));
  table.touch(ids[0]);  // the oldest
  EXPECT_EQ(cookies(table), (std::vector<std::uint64_t>{3, 2, 1}));
}

TEST(ConnectionTable, OneIsOldestAndNewest) {
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

TEST(ConnectionTable, TheOneThatIsVisitedMayBeErased) {
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
