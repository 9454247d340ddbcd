// SPDX-License-Identifier: Apache-2.0
// Which stuck sockets are the two sides of a relay, and which only share a process.
#include "leaks/relays.h"

#include <gtest/gtest.h>

#include "support/flags.h"

namespace tcpdwell {
namespace {

using namespace samples;

// A socket whose peer closed so long ago; all data is read.
FlagRecord ended(Nanos ago, std::uint16_t port = 50000) {
  FlagRecord flag = stuck_server(Cause::EofRead, port);
  flag.dwell = {ago};
  return flag;
}

// A socket that was shut down so long ago.
FlagRecord shut(Nanos ago, std::uint16_t port = 40000) {
  FlagRecord flag = half_closed_client(port);
  flag.dwell = {ago};
  return flag;
}

using Partners = std::vector<std::optional<std::size_t>>;
constexpr auto kNone = std::nullopt;

TEST(Relays, PairsTheTwoSides) {
  const FlagRecord flags[] = {ended(60s), shut(59900ms)};
  EXPECT_EQ(find_relays(flags), (Partners{1, 0}));
}

TEST(Relays, SeveralConnectionsAtOnce) {
  const FlagRecord flags[] = {ended(60s, 1), ended(50s, 2), shut(49900ms, 3), shut(59900ms, 4)};
  EXPECT_EQ(find_relays(flags), (Partners{3, 2, 1, 0}));
}

TEST(Relays, FindsPeerBehindRelay) {
  FlagRecord flags[] = {ended(60s), shut(59900ms), shut(60s, 1), shut(60s, 2)};
  flags[2].socket.flow.local = flags[0].socket.flow.remote;
  flags[2].socket.flow.remote = flags[0].socket.flow.local;
  flags[2].holders = flags[3].holders = {holder(1, "client", 3)};
  const auto partners = find_relays(flags);
  EXPECT_EQ(partners, (Partners{1, 0, kNone, kNone}));
  EXPECT_EQ(find_behind_relays(flags, partners), (Partners{kNone, kNone, 1, kNone}));
}

TEST(Relays, ShutdownMustFollowSoon) {
  const FlagRecord before[] = {ended(60s), shut(70s)};
  EXPECT_EQ(find_relays(before), (Partners{kNone, kNone}));
  const FlagRecord later[] = {ended(60s), shut(50s)};
  EXPECT_EQ(find_relays(later), (Partners{kNone, kNone}));
}

TEST(Relays, BothSidesAreOfOneProcess) {
  FlagRecord flags[] = {ended(60s), shut(60s)};
  flags[1].holders = {holder(4712, "python3", 9)};
  EXPECT_EQ(find_relays(flags), (Partners{kNone, kNone}));
}

TEST(Relays, TwoEndsOfOneConnectionAreNoRelay) {
  FlagRecord flags[] = {ended(60s), shut(60s)};
  flags[1].socket.flow.local = flags[0].socket.flow.remote;
  flags[1].socket.flow.remote = flags[0].socket.flow.local;
  EXPECT_EQ(find_relays(flags), (Partners{kNone, kNone})) << "a process connected to itself";
}

TEST(Relays, OnePairAmongManyIsCoincidence) {
  std::vector<FlagRecord> flags = {ended(60s)};
  for (std::uint16_t i = 0; i < 10; ++i)
    flags.push_back(shut(60s + i * 10s, static_cast<std::uint16_t>(40000 + i)));
  for (const auto& partner : find_relays(flags)) EXPECT_FALSE(partner);
}

TEST(Relays, OneShutdownAmongManyLeaksIsCoincidence) {
  std::vector<FlagRecord> flags = {shut(60s)};
  for (std::uint16_t i = 0; i < 10; ++i)
    flags.push_back(ended(60s, static_cast<std::uint16_t>(50000 + i)));
  for (const auto& partner : find_relays(flags)) EXPECT_FALSE(partner);
}

TEST(Relays, UnreadDataOrClearedFlagIsNoRelay) {
  FlagRecord flags[] = {ended(60s), shut(60s)};
  flags[0].cause = Cause::DataUnread;
  EXPECT_EQ(find_relays(flags), (Partners{kNone, kNone}));
  flags[0].cause = Cause::EofRead;
  flags[1].raised = false;
  EXPECT_EQ(find_relays(flags), (Partners{kNone, kNone}));
}

TEST(Relays, AgeBoundsOverlap) {
  FlagRecord flags[] = {ended(60s), shut(70s)};
  flags[1].dwell.error = 15s;
  EXPECT_EQ(find_relays(flags), (Partners{1, 0}));
  flags[1].dwell.error = kNone;
  flags[1].dwell.value = 20s;
  flags[1].at_most = 65s;
  EXPECT_EQ(find_relays(flags), (Partners{1, 0}));
  flags[1].at_most = 30s;
  EXPECT_EQ(find_relays(flags), (Partners{kNone, kNone}));
}

TEST(Relays, TenThousandInOneProcess) {
  std::vector<FlagRecord> flags;
  for (int i = 0; i < 5000; ++i) {
    flags.push_back(ended(60s, static_cast<std::uint16_t>(i)));
    flags.push_back(shut(60s, static_cast<std::uint16_t>(i)));
  }
  std::size_t paired = 0;
  for (const auto& partner : find_relays(flags)) paired += partner ? 1 : 0;
  EXPECT_EQ(paired, flags.size());
}

}  // namespace
}  // namespace tcpdwell
