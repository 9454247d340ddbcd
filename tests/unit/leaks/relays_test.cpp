// SPDX-License-Identifier: Apache-2.0
// Which stuck sockets are the two sides of a relay, and which only share a process.
#include "leaks/relays.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

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

// In these tests the relay connects the shut side, whose SYN counts as a byte that it sent.
FlagRecord with_bytes(FlagRecord flag, std::uint64_t sent, std::uint64_t received) {
  flag.bytes = ByteCounts{.sent = sent, .received = received};
  return flag;
}

// A client in another network namespace, whose connection to the relay's `side` is shut down.
FlagRecord client_of(const FlagRecord& side, std::uint32_t netns) {
  FlagRecord flag = shut(60s);
  flag.socket.flow = side.socket.flow;
  std::swap(flag.socket.flow.local, flag.socket.flow.remote);
  flag.socket.flow.netns = netns;
  flag.socket.flow.netns_cookie = netns;
  flag.holders = {holder(1, "client", 3)};
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

constexpr std::uint64_t kUpload = 4'000'000;

TEST(Relays, SlowPairHasTheSameBytesOnBothSides) {
  const FlagRecord flags[] = {with_bytes(ended(60s), 17, kUpload),
                              with_bytes(shut(53s), kUpload + 1, 17)};
  EXPECT_EQ(find_relays(flags), (Partners{1, 0}));
  const FlagRecord accepted[] = {with_bytes(ended(60s), 18, kUpload),
                                 with_bytes(shut(53s), kUpload, 17)};
  EXPECT_EQ(find_relays(accepted), (Partners{1, 0})) << "the server closed first";
  const FlagRecord before[] = {with_bytes(ended(53s), 17, kUpload),
                               with_bytes(shut(60s), kUpload + 1, 17)};
  EXPECT_EQ(find_relays(before), (Partners{kNone, kNone})) << "shut down before the peer closed";
}

TEST(Relays, SlowPairNeedsBothDirections) {
  const FlagRecord flags[] = {with_bytes(ended(60s), 18, kUpload),
                              with_bytes(shut(53s), kUpload + 1, 900)};
  EXPECT_EQ(find_relays(flags), (Partners{kNone, kNone}));
  const FlagRecord other[] = {with_bytes(ended(60s), 17, kUpload),
                              with_bytes(shut(53s), kUpload + 5, 17)};
  EXPECT_EQ(find_relays(other), (Partners{kNone, kNone}));
}

TEST(Relays, FewEqualBytesAreCoincidence) {
  const FlagRecord flags[] = {with_bytes(ended(60s), 2, 100), with_bytes(shut(53s), 101, 2)};
  EXPECT_EQ(find_relays(flags), (Partners{kNone, kNone}));
}

TEST(Relays, SlowPairSpoilsNoOthers) {
  const FlagRecord flags[] = {ended(60s, 1), shut(59900ms, 2),
                              with_bytes(ended(50s, 3), 17, kUpload),
                              with_bytes(shut(43s, 4), kUpload + 1, 17)};
  EXPECT_EQ(find_relays(flags), (Partners{1, 0, 3, 2}));
}

TEST(Relays, PairIsJudgedByItselfAmongManyLeaks) {
  std::vector<FlagRecord> flags = {with_bytes(ended(60s), 17, kUpload),
                                   with_bytes(shut(53s), kUpload + 1, 17)};
  for (std::uint16_t i = 0; i < 10; ++i)
    flags.push_back(with_bytes(ended(60s + i * 10s, i), 5000, 300));
  const auto partners = find_relays(flags);
  EXPECT_EQ(partners[0], 1U);
  EXPECT_EQ(std::count(partners.begin(), partners.end(), kNone), 10);
}

TEST(Relays, EqualUploadsEndInTheirOrder) {
  std::vector<FlagRecord> flags;
  for (std::uint16_t i = 0; i < 3; ++i) {
    flags.push_back(with_bytes(ended(60s - i * 1s, i), 0, kUpload));
    flags.push_back(with_bytes(shut(50s - i * 1s, i), kUpload + 1, 0));
  }
  EXPECT_EQ(find_relays(flags), (Partners{1, 0, 3, 2, 5, 4}));
}

TEST(Relays, ServerThatForwardsNothingIsNoRelay) {
  const FlagRecord flags[] = {with_bytes(ended(60s), 900, kUpload),
                              with_bytes(shut(59900ms), 300, 70)};
  EXPECT_EQ(find_relays(flags), (Partners{kNone, kNone})) << "it read 4 MB, and sent 300 bytes";
  const FlagRecord tls[] = {with_bytes(ended(60s), 6000, kUpload),
                            with_bytes(shut(59900ms), kUpload - 90'000, 70)};
  EXPECT_EQ(find_relays(tls), (Partners{1, 0})) << "TLS takes some";
  FlagRecord accepted[] = {ended(60s), shut(59900ms)};
  accepted[1].socket.role = Role::Server;
  EXPECT_EQ(find_relays(accepted), (Partners{kNone, kNone})) << "it connected neither";
}

// The client and the backend of a relay, in one process.
FlagRecord other_end_of(FlagRecord side, FlagRecord flag) {
  flag.socket.flow = side.socket.flow;
  std::swap(flag.socket.flow.local, flag.socket.flow.remote);
  flag.holders = {holder(1, "test", 3)};
  return flag;
}

TEST(Relays, WhoTalksToItselfThroughARelayIsNone) {
  const FlagRecord from = ended(60s), to = shut(59'900ms);
  const FlagRecord flags[] = {from, to, other_end_of(from, shut(59'990ms)),
                              other_end_of(to, ended(59'910ms))};
  EXPECT_EQ(find_relays(flags), (Partners{1, 0, kNone, kNone}));
  const FlagRecord equal[] = {from, to, other_end_of(from, shut(59'900ms)),
                              other_end_of(to, ended(60s))};
  EXPECT_EQ(find_relays(equal), (Partners(4, kNone))) << "it could be either of them";
}

TEST(Relays, FindsPeerInAnotherNamespace) {
  FlagRecord flags[] = {ended(60s), shut(59900ms), client_of(ended(60s), 7)};
  EXPECT_EQ(find_behind_relays(flags, find_relays(flags)), (Partners{kNone, kNone, 1}));
  flags[2].other_end = OtherEnd{.process = holder(99, "other", 3).process};
  EXPECT_EQ(find_behind_relays(flags, find_relays(flags)), (Partners{kNone, kNone, kNone}))
      << "another process holds the other end";
}

TEST(Relays, AmbiguousPeerInAnotherNamespaceIsLeftOut) {
  const FlagRecord two[] = {ended(60s), shut(59900ms), client_of(ended(60s), 7),
                            client_of(ended(60s), 8)};
  EXPECT_EQ(find_behind_relays(two, find_relays(two)), (Partners(4, kNone)));
  const FlagRecord own[] = {ended(60s), shut(59900ms),
                            client_of(ended(60s), ended(60s).socket.flow.netns),
                            client_of(ended(60s), 8)};
  FlagRecord flags[] = {own[0], own[1], own[2], own[3]};
  flags[2].socket.flow.netns_cookie = flags[0].socket.flow.netns_cookie;
  EXPECT_EQ(find_behind_relays(flags, find_relays(flags)), (Partners{kNone, kNone, 1, kNone}))
      << "the end in the relay's own namespace";
  FlagRecord local = ended(60s);
  local.socket.flow.local = local.socket.flow.remote = endpoint(Family::Ipv4, "127.0.0.1", 80);
  local.socket.flow.remote.port = 50000;
  const FlagRecord loopback[] = {local, shut(59900ms), client_of(local, 7)};
  EXPECT_EQ(find_behind_relays(loopback, find_relays(loopback)), (Partners(3, kNone)));
}

}  // namespace
}  // namespace tcpdwell
