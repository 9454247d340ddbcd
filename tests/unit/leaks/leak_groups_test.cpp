// SPDX-License-Identifier: Apache-2.0
// Which stuck sockets form a group, the order of the groups, and their ages.
#include "leaks/leak_groups.h"

#include <gtest/gtest.h>

#include <ctime>

#include "support/flags.h"

namespace tcpdwell {
namespace {

using namespace samples;

std::vector<FlagRecord> with_ages(std::initializer_list<Nanos> ages) {
  std::vector<FlagRecord> flags;
  for (const Nanos age : ages) {
    flags.push_back(stuck_server(Cause::EofRead, static_cast<std::uint16_t>(50000 + flags.size())));
    flags.back().threshold = 1s;
    flags.back().dwell = {age};
    flags.back().holders[0].fd = static_cast<std::int32_t>(9 + flags.size());
  }
  return flags;
}

TEST(LeakGroups, NoFlagsNoGroups) {
  EXPECT_TRUE(group_leaks({}).empty());
  const FlagRecord flag = cleared(stuck_server(), 1s);
  EXPECT_TRUE(group_leaks({&flag, 1}).empty()) << "a cleared flag is no leak";
}

TEST(LeakGroups, ServerSocketsShareLocalPort) {
  const auto groups = group_leaks(with_ages({1s, 2s, 3s}));
  ASSERT_EQ(groups.size(), 1U);
  const LeakGroup& group = groups[0];
  EXPECT_EQ(group.count, 3U);
  EXPECT_EQ(group.local_port, 8080);
  EXPECT_EQ(group.peer.port, 0) << "the peers' ports differ";
  EXPECT_EQ(format_address(group.peer, group.family), "10.0.0.2");
  EXPECT_EQ(group.peers, 1U);
  EXPECT_EQ(group.cgroup, "/system.slice/web.service");
  ASSERT_EQ(group.holders.size(), 1U);
  EXPECT_EQ(group.holders[0].process.pid, 4711U);
  EXPECT_EQ(group.holders[0].descriptors, 3U);
  EXPECT_EQ(group.holders[0].fds, (std::vector<std::int32_t>{10, 11, 12}));
  EXPECT_EQ(group.members, (std::vector<std::size_t>{2, 1, 0})) << "oldest first";
  EXPECT_EQ(group.cookie, 50002U);
}

TEST(LeakGroups, ClientSocketsShareDestination) {
  std::vector<FlagRecord> flags;
  for (std::uint16_t port = 40000; port < 40005; ++port) flags.push_back(half_closed_client(port));
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 1U) << "the local ports differ";
  EXPECT_EQ(groups[0].local_port, 0);
  EXPECT_EQ(groups[0].peer.port, 5432);
}

TEST(LeakGroups, UnknownRoleIsTakenFromCommonEnd) {
  std::vector<FlagRecord> flags;
  for (std::uint16_t i = 0; i < 5; ++i) {
    flags.push_back(stuck_server(Cause::EofRead, static_cast<std::uint16_t>(50000 + i)));
    flags.back().socket.flow.local.port = 60000;
    flags.back().socket.role = Role::Unknown;
    flags.push_back(half_closed_client(static_cast<std::uint16_t>(1000 + i)));
    flags.back().socket.role = Role::Unknown;
  }
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 2U);
  for (const LeakGroup& group : groups) {
    EXPECT_EQ(group.count, 5U);
    EXPECT_EQ(group.local_port, group.state == State::CloseWait ? 60000 : 0);
    EXPECT_EQ(group.peer.port, group.state == State::CloseWait ? 0 : 5432);
  }
}

TEST(LeakGroups, UnknownRoleOfSingleSocketByLowerPort) {
  FlagRecord flag = stuck_server();
  flag.socket.role = Role::Unknown;
  EXPECT_EQ(group_of(flag).local_port, 8080);
  std::swap(flag.socket.flow.local, flag.socket.flow.remote);
  EXPECT_EQ(group_of(flag).local_port, 0);
  EXPECT_EQ(group_of(flag).peer.port, 8080);
  flag.cause = Cause::NotAccepted;
  EXPECT_EQ(group_of(flag).local_port, 50000) << "only a server has an accept queue";
}

TEST(LeakGroups, DifferentPropertiesSplitGroups) {
  std::vector<FlagRecord> flags(8, stuck_server());
  flags[1].state = State::FinWait2;
  flags[2].cause = Cause::DataUnread;
  flags[3].socket.flow.local.port = 8081;
  flags[4].socket.flow.remote = endpoint(Family::Ipv4, "10.0.0.3", 50000);
  flags[5].holders = {holder(4712, "python3", 9)};
  flags[6].socket.flow.netns = 7;
  flags[7].by_exit = true;
  EXPECT_EQ(group_leaks(flags).size(), flags.size());
}

TEST(LeakGroups, DescriptorNumbersDoNotSplitGroups) {
  std::vector<FlagRecord> flags(3, stuck_server());
  flags[0].holders = {holder(1, "a", 3), holder(2, "b", 3)};
  flags[1].holders = {holder(1, "a", 4), holder(1, "a", 5), holder(2, "b", 4)};
  flags[2].holders = {holder(1, "a", 6), holder(2, "b", 6)};
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 1U);
  ASSERT_EQ(groups[0].holders.size(), 2U);
  EXPECT_EQ(groups[0].holders[0].descriptors, 4U);
  EXPECT_EQ(groups[0].holders[0].fds, (std::vector<std::int32_t>{3, 4, 5}));
  EXPECT_EQ(groups[0].holders[1].descriptors, 3U);
}

TEST(LeakGroups, OwnerSplitsGroupsWithoutHolders) {
  std::vector<FlagRecord> flags = {orphan(1), orphan(2), orphan(3)};
  flags[2].socket.owner = owner_of(8, "other");
  EXPECT_EQ(group_leaks(flags).size(), 2U);
}

TEST(LeakGroups, ManyPeersAreMerged) {
  const auto flags_of = [](int peers) {
    std::vector<FlagRecord> flags;
    for (int i = 0; i < peers; ++i) {
      flags.push_back(stuck_server());
      flags.back().socket.flow.remote.addr[3] = static_cast<std::uint8_t>(10 + i);
    }
    return flags;
  };
  const auto apart = group_leaks(flags_of(static_cast<int>(kPeersApart)));
  ASSERT_EQ(apart.size(), kPeersApart);
  const auto together = group_leaks(flags_of(static_cast<int>(kPeersApart) + 1));
  ASSERT_EQ(together.size(), 1U);
  EXPECT_EQ(together[0].peers, kPeersApart + 1);
  EXPECT_EQ(together[0].key, apart[0].wider_key) << "links the group to that of the round before";
}

TEST(LeakGroups, MedianOfOddAndEvenCount) {
  EXPECT_EQ(group_leaks(with_ages({9s, 1s, 4s}))[0].median.value, Nanos{4s});
  EXPECT_EQ(group_leaks(with_ages({9s, 1s, 4s, 5s}))[0].median.value, Nanos{4500ms});
  EXPECT_EQ(group_leaks(with_ages({7s}))[0].median.value, Nanos{7s});
  EXPECT_EQ(group_leaks(with_ages({8s, 7s}))[0].median.value, Nanos{7500ms});
  EXPECT_EQ(group_leaks(with_ages({9s, 1s, 4s}))[0].oldest.value, Nanos{9s});
  const Nanos large = Nanos::max() - 2ns;
  EXPECT_EQ(group_leaks(with_ages({large, large}))[0].median.value, large) << "no overflow";
}

TEST(LeakGroups, OneLowerBoundMakesAgesLowerBounds) {
  std::vector<FlagRecord> flags = with_ages({9s, 1s, 4s});
  EXPECT_EQ(group_leaks(flags)[0].oldest.error, Nanos{0});
  flags[0].dwell.error = 4ms;
  EXPECT_EQ(group_leaks(flags)[0].median.error, Nanos{4ms});
  flags[1].dwell.error = std::nullopt;
  flags[1].threshold = 1s;  // which it passes
  EXPECT_EQ(group_leaks(flags)[0].oldest.error, std::nullopt)
      << "the socket of unknown age may be older than 9 s";
  EXPECT_EQ(group_leaks(flags)[0].median.error, std::nullopt);
}

TEST(LeakGroups, UnknownAgeIsSeparateGroup) {
  std::vector<FlagRecord> flags = with_ages({70s, 1s, 4s});
  for (FlagRecord& flag : flags) {
    flag.threshold = 60s;
    flag.dwell.error = std::nullopt;
  }
  flags[1].at_most = 2min;
  flags[2].at_most = 3min;
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_TRUE(groups[0].certain) << "certain ones come first, although they are fewer";
  EXPECT_FALSE(groups[1].certain);
  EXPECT_EQ(groups[1].at_most, 3min) << "upper bound of the oldest";
}

TEST(LeakGroups, SumsKnownBytes) {
  std::vector<FlagRecord> flags = with_ages({1s, 2s, 3s});
  EXPECT_EQ(group_leaks(flags)[0].unread_bytes, std::nullopt);
  flags[0].unread_bytes = 10;
  flags[2].unread_bytes = 5;
  flags[1].unsent_bytes = 0;
  EXPECT_EQ(group_leaks(flags)[0].unread_bytes, 15U);
  EXPECT_EQ(group_leaks(flags)[0].unsent_bytes, 0U);
}

TEST(LeakGroups, DifferentOwnersOrCgroupsGiveNone) {
  std::vector<FlagRecord> flags = with_ages({1s, 2s});
  flags[1].socket.owner = owner_of(1, "parent", Via::Close);
  flags[1].socket.cgroup = "/other";
  const LeakGroup group = group_leaks(flags)[0];
  EXPECT_FALSE(group.owner);
  EXPECT_EQ(group.cgroup, "");
}

TEST(LeakGroups, WorstFirstAndOrphansLast) {
  std::vector<FlagRecord> flags;
  for (std::uint16_t i = 0; i < 9; ++i) flags.push_back(orphan(static_cast<std::uint16_t>(i + 1)));
  flags.push_back(stuck_server(Cause::EofUnread));
  for (FlagRecord& flag : with_ages({1s, 2s, 3s})) flags.push_back(flag);
  flags.push_back(stuck_server(Cause::DataUnread));
  flags.back().dwell = {5h};
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_EQ(groups[0].cause, Cause::EofRead) << "three of them";
  EXPECT_EQ(groups[1].cause, Cause::DataUnread) << "the older of two single ones";
  EXPECT_EQ(groups[2].cause, Cause::EofUnread);
  EXPECT_EQ(groups[3].cause, Cause::Orphaned) << "last, although they are nine";
}

TEST(LeakGroups, HoldersInOtherPidNamespaceAreIdentifiedByComm) {
  std::vector<FlagRecord> flags(2, stuck_server());
  flags[0].holders = {holder(0, "a", 3), holder(0, "b", 4)};
  flags[1].holders = {holder(0, "a", 3), holder(0, "c", 4)};
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].holders.size(), 2U);
}

// Each of the processes 101, 102, ... holds one socket.
std::vector<FlagRecord> of_workers(std::uint32_t count, std::string_view comm = "php-fpm8.2") {
  std::vector<FlagRecord> flags;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t pid = 101 + i;
    flags.push_back(stuck_server(Cause::EofUnread, static_cast<std::uint16_t>(50000 + i)));
    flags.back().socket.owner = owner_of(pid, comm, Via::Accept);
    flags.back().holders = {holder(pid, comm, 4)};
    flags.back().processes = {{.pid = pid, .state = 'S', .parent = 100, .live_thread = pid}};
  }
  return flags;
}

TEST(LeakGroups, WorkersOfOneServerAreMerged) {
  const auto groups = group_leaks(of_workers(24));
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].count, 24U);
  EXPECT_EQ(groups[0].holders.size(), 24U);
  EXPECT_EQ(groups[0].held_by, 1U);
  EXPECT_TRUE(are_equal_processes(groups[0]));
}

TEST(LeakGroups, DifferentWorkersAreKeptApart) {
  auto flags = of_workers(6);
  flags[1].processes[0].parent = 99;
  flags[2].processes[0].state = 'T';
  flags[3].processes[0].program = "php-fpm8.2-something";
  flags[4].processes.clear();
  flags[5].cause = Cause::DataUnread;
  EXPECT_EQ(group_leaks(flags).size(), 6U);
}

TEST(LeakGroups, ChildrenOfInitAreSplitByCgroup) {
  auto flags = of_workers(3);
  for (FlagRecord& flag : flags) flag.processes[0].parent = 1;
  flags[0].holders[0].process.cgroup_id = flags[1].holders[0].process.cgroup_id = 7;
  flags[2].holders[0].process.cgroup_id = 8;
  EXPECT_EQ(group_leaks(flags).size(), 2U);
}

TEST(LeakGroups, SharedSocketsMustBeClosedByEachHolder) {
  auto flags = of_workers(2);
  for (FlagRecord& flag : flags) {
    flag.holders = {holder(101, "php-fpm8.2", 4), holder(102, "php-fpm8.2", 4)};
    flag.processes = {{.pid = 101, .parent = 100}, {.pid = 102, .parent = 100}};
  }
  const auto groups = group_leaks(flags);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0].held_by, 2U);
  EXPECT_FALSE(are_equal_processes(groups[0]));
}

// Quadratic grouping would take a minute under the sanitizers; this takes half a second there.
TEST(LeakGroups, GroupingTenThousandIsFast) {
  std::vector<FlagRecord> flags;
  for (int i = 0; i < 10'000; ++i) {
    flags.push_back(stuck_server(Cause::EofRead, static_cast<std::uint16_t>(i)));
    flags.back().holders = {holder(static_cast<std::uint32_t>(i % 5000), "worker", i)};
    flags.back().dwell = {Nanos{i * 7919 % 10'000}};
  }
  const std::clock_t begin = std::clock();  // CPU time: independent of other load
  EXPECT_EQ(group_leaks(flags).size(), 5000U);
  const std::clock_t took = std::clock() - begin;
  EXPECT_LT(took, 10 * CLOCKS_PER_SEC);
  RecordProperty("ms", static_cast<int>(took * 1000 / CLOCKS_PER_SEC));
}

}  // namespace
}  // namespace tcpdwell
