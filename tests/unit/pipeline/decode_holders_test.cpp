// SPDX-License-Identifier: Apache-2.0
// Duplicates in a walk through descriptors: each descriptor of each process is one holder.
#include <gtest/gtest.h>

#include "pipeline/decode.h"

namespace tcpdwell {
namespace {

Holder holder(std::uint32_t pid, std::int32_t fd) { return {.process = {.pid = pid}, .fd = fd}; }

Holding holding(std::uint64_t cookie, std::uint32_t pid, std::int32_t fd) {
  return {.cookie = cookie, .holder = holder(pid, fd)};
}

std::vector<Holding> without_repeated(std::vector<Holding> holdings) {
  drop_repeated(holdings);
  return holdings;
}

// If the thread group leader has exited, iter/task_file visits the descriptors once for each
// thread.
TEST(Holders, ThreadsOfOneProcessAreMerged) {
  const auto left = without_repeated(
      {holding(7, 42, 3), holding(8, 42, 4), holding(7, 42, 3), holding(7, 42, 3)});
  ASSERT_EQ(left.size(), 2U);
  EXPECT_EQ(left[0].cookie, 7U);
  EXPECT_EQ(left[1].cookie, 8U);
}

TEST(Holders, DescriptorsOfOneProcessAreKeptApart) {
  EXPECT_EQ(without_repeated({holding(7, 42, 3), holding(7, 42, 4)}).size(), 2U);
}

// CLONE_FILES without CLONE_THREAD: two processes share one descriptor table.
TEST(Holders, ProcessesSharingDescriptorTableAreKeptApart) {
  EXPECT_EQ(without_repeated({holding(7, 42, 3), holding(7, 43, 3)}).size(), 2U);
}

TEST(Holders, HoldersInOtherPidNamespaceAreNotMerged) {
  EXPECT_EQ(without_repeated({holding(7, 0, 3), holding(7, 0, 3)}).size(), 2U);
}

DeadSocket dead(std::uint64_t cookie, std::uint32_t pid, std::int32_t fd) {
  DeadSocket socket{.cookie = cookie, .flow = {}, .holders = {}};
  socket.holders.push_back(holder(pid, fd));
  return socket;
}

TEST(Holders, HoldersOfDeadSocketAreJoined) {
  std::vector<DeadSocket> sockets{dead(7, 42, 3), dead(8, 42, 5), dead(7, 42, 3),
                                  dead(7, 43, 3), dead(7, 0, 1),  dead(7, 0, 1)};
  join_holders(sockets);
  ASSERT_EQ(sockets.size(), 2U);
  EXPECT_EQ(sockets[0].holders.size(), 4U) << "42, 43, and two without a pid here";
  EXPECT_EQ(sockets[1].holders.size(), 1U);
}

}  // namespace
}  // namespace tcpdwell
