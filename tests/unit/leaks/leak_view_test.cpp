// SPDX-License-Identifier: Apache-2.0
// The order of groups, and what decides the exit status of `leaks`.
#include "leaks/leak_view.h"

#include <gtest/gtest.h>

#include "support/flags.h"

namespace tcpdwell {
namespace {

using namespace samples;

std::vector<FlagRecord> stuck(std::size_t count, std::uint16_t port = 8080, Nanos age = 130s) {
  std::vector<FlagRecord> flags;
  for (std::size_t i = 0; i < count; ++i) {
    flags.push_back(stuck_server(Cause::EofRead, static_cast<std::uint16_t>(50000 + i)));
    flags.back().socket.flow.local.port = port;
    flags.back().dwell = {age};
  }
  return flags;
}

std::vector<FlagRecord> together(std::vector<FlagRecord> a, const std::vector<FlagRecord>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(LeakView, ByCountUnlessAgeIsAskedFor) {
  const auto flags = together(together(stuck(3, 1, 100s), stuck(2, 2, 300s)), stuck(1, 3, 200s));
  const auto ports = [&](const LeakView& view) {
    std::vector<LeakGroup> groups = group_leaks(flags);
    arrange(groups, view);
    std::vector<std::uint16_t> order;
    for (const LeakGroup& group : groups) order.push_back(group.local_port);
    return order;
  };
  EXPECT_EQ(ports({}), (std::vector<std::uint16_t>{1, 2, 3}));
  EXPECT_EQ(ports({.order = LeakOrder::Age}), (std::vector<std::uint16_t>{2, 3, 1}));
  EXPECT_EQ(ports({.order = LeakOrder::Age, .most = 1}), (std::vector<std::uint16_t>{2}));
}

TEST(LeakView, SaysWhatItLeftOut) {
  std::vector<LeakGroup> groups =
      group_leaks(together(stuck(5, 1), together(stuck(3, 2), stuck(2, 3))));
  const LeftOut left = arrange(groups, {.most = 1});
  EXPECT_EQ(left.groups, 2U);
  EXPECT_EQ(left.sockets, 5U);
  EXPECT_EQ(arrange(groups, {.most = 1}).groups, 0U);
}

TEST(LeakView, OrphansStayLast) {
  auto flags = stuck(1);
  flags.push_back(orphan());
  flags.back().dwell = {3600s};
  std::vector<LeakGroup> groups = group_leaks(flags);
  arrange(groups, {.order = LeakOrder::Age});
  EXPECT_EQ(groups.back().cause, Cause::Orphaned);
}

bool fails(const LeakLimits& limits, const std::vector<std::pair<Nanos, std::size_t>>& scans) {
  LeakVerdict verdict(limits);
  for (const auto& [at, count] : scans) verdict.scanned(at, stuck(count));
  return verdict.failed();
}

TEST(LeakVerdict, TheLastScanDecides) {
  EXPECT_FALSE(fails({}, {{0s, 0}}));
  EXPECT_TRUE(fails({}, {{0s, 1}}));
  EXPECT_TRUE(fails({}, {{0s, 0}, {60s, 1}}));
  EXPECT_FALSE(fails({}, {{0s, 1}, {60s, 0}}));
}

TEST(LeakVerdict, MinCount) {
  EXPECT_FALSE(fails({.count = 3}, {{0s, 2}}));
  EXPECT_TRUE(fails({.count = 3}, {{0s, 3}}));
  LeakVerdict verdict({.count = 3});
  verdict.scanned(0s, together(stuck(2, 1), stuck(1, 2)));
  EXPECT_TRUE(verdict.failed()) << "of all groups together";
  auto none = stuck(2);
  none.push_back(orphan());
  none.push_back(cleared(stuck_server(), 1s));
  verdict.scanned(1s, none);
  EXPECT_FALSE(verdict.failed()) << "an orphan is no leak";
}

TEST(LeakVerdict, GrowthOfAGroupFromTheFirstScanToTheLast) {
  const LeakLimits limits{.count = 1, .growth = 5};
  EXPECT_FALSE(fails(limits, {{0s, 100}})) << "one scan shows no growth";
  EXPECT_TRUE(fails(limits, {{0s, 10}, {60s, 15}}));
  EXPECT_FALSE(fails(limits, {{0s, 10}, {60s, 14}}));
  EXPECT_FALSE(fails(limits, {{0s, 10}, {120s, 19}})) << "4.5 a minute";
  EXPECT_TRUE(fails(limits, {{0s, 10}, {60s, 3}, {120s, 20}})) << "in between does not count";
  EXPECT_FALSE(fails(limits, {{0s, 10}, {60s, 30}, {120s, 10}}));
  EXPECT_FALSE(fails(limits, {{0s, 10}, {0s, 30}})) << "no time has passed";
  EXPECT_TRUE(fails(limits, {{0s, 0}, {60s, 5}})) << "a new group began with 0";
  EXPECT_FALSE(fails({.count = 20, .growth = 5}, {{0s, 10}, {60s, 19}}));
}

TEST(LeakVerdict, GrowthIsThatOfOneGroup) {
  LeakVerdict verdict({.count = 1, .growth = 5});
  verdict.scanned(0s, {});
  verdict.scanned(60s, together(stuck(3, 1), stuck(3, 2)));
  EXPECT_FALSE(verdict.failed()) << "3 a minute each";
}

// Not stuck for certain: their age is between 10 s and unknown.
std::vector<FlagRecord> of_unknown_age(std::size_t count) {
  auto flags = stuck(count);
  for (FlagRecord& flag : flags) {
    flag.dwell = {10s, std::nullopt};
    flag.at_most.reset();
  }
  return flags;
}

TEST(LeakVerdict, SocketsThatBecomeCertainAreNoGrowth) {
  const auto grows = [](const std::vector<FlagRecord>& first, const std::vector<FlagRecord>& last) {
    LeakVerdict verdict({.count = 1, .growth = 5});
    verdict.scanned(0s, first);
    verdict.scanned(60s, last);
    return verdict.failed();
  };
  EXPECT_FALSE(
      grows(together(stuck(11), of_unknown_age(11)), together(stuck(20), of_unknown_age(3))));
  EXPECT_FALSE(grows(stuck(11), together(stuck(11), of_unknown_age(11)))) << "they may be young";
  EXPECT_TRUE(
      grows(together(stuck(11), of_unknown_age(11)), together(stuck(20), of_unknown_age(9))));
}

TEST(LeakVerdict, AGroupIsTheSameWhateverItsPeers) {
  LeakVerdict verdict({.count = 1, .growth = 5});
  auto first = stuck(10), last = stuck(10);
  for (FlagRecord& flag : last) flag.socket.flow.remote.addr[3] = 77;
  verdict.scanned(0s, first);
  verdict.scanned(60s, last);
  EXPECT_FALSE(verdict.failed()) << "10 before and after, of other clients";
}

}  // namespace
}  // namespace tcpdwell
