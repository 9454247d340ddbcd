// SPDX-License-Identifier: Apache-2.0
// Which holders of a listener should accept.
#include "lifecycle/acceptors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Pids = std::vector<std::uint32_t>;

Pids choose(const Pids& holders, const Pids& accepted, const std::vector<Parent>& parents) {
  return choose_acceptors(holders, accepted, parents);
}

TEST(Acceptors, OnlyHolderIsChosen) {
  EXPECT_THAT(choose({7}, {}, {{7, 1}}), ElementsAre(7));
  EXPECT_THAT(choose({7, 7}, {}, {}), ElementsAre(7)) << "two descriptors";
  EXPECT_THAT(choose({}, {9}, {}), IsEmpty());
}

TEST(Acceptors, HoldersOfConnectionsOfThePortAreChosen) {
  EXPECT_THAT(choose({10, 11, 12}, {12, 11}, {{11, 10}, {12, 10}}), ElementsAre(11, 12));
}

TEST(Acceptors, HolderOfOnlyAConnectionIsNotChosen) {
  // sshd: sessions hold connections, not the listener. node: the master passes them on.
  EXPECT_THAT(choose({10}, {11, 12}, {{11, 10}, {12, 10}, {10, 1}}), ElementsAre(10));
}

TEST(Acceptors, ParentOfHoldersIsNotChosen) {
  EXPECT_THAT(choose({10, 12, 11}, {}, {{11, 10}, {12, 10}, {10, 1}}), ElementsAre(11, 12));
}

TEST(Acceptors, AncestorOfHolderIsNotChosen) {
  // systemd, a shell that does not hold the listener, the service
  EXPECT_THAT(choose({1, 30}, {}, {{30, 20}, {20, 1}}), ElementsAre(30));
}

TEST(Acceptors, ServiceManagerIsChosenAsOnlyHolder) {
  EXPECT_THAT(choose({1}, {}, {}), ElementsAre(1));
}

TEST(Acceptors, YoungestOfThreeGenerationsIsChosen) {
  EXPECT_THAT(choose({10, 11, 12}, {}, {{12, 11}, {11, 10}, {10, 1}}), ElementsAre(12));
}

TEST(Acceptors, AllUnrelatedHoldersAreChosen) {
  EXPECT_THAT(choose({10, 20}, {}, {{10, 1}, {20, 1}}), ElementsAre(10, 20));
}

TEST(Acceptors, LoopOfParentsTerminates) {
  EXPECT_THAT(choose({10, 11}, {}, {{10, 11}, {11, 10}}), ElementsAre(10, 11));
  EXPECT_THAT(choose({10}, {}, {{10, 10}}), ElementsAre(10));
  EXPECT_THAT(choose({10}, {}, {{10, 20}, {20, 21}, {21, 20}}), ElementsAre(10));
}

}  // namespace
}  // namespace tcpdwell
