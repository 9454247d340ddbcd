// SPDX-License-Identifier: Apache-2.0
// /proc/net/netstat.
#include "kernel/listen_counters.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

TEST(ListenCounters, AreFoundByTheirNames) {
  const auto counters = listen_counters_in(
      "IpExt: InOctets ListenOverflows\nIpExt: 5 6\n"
      "TcpExt: SyncookiesSent Other ListenOverflows ListenDrops\nTcpExt: 1 2 3 4\n");
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->cookies_sent, 1U);
  EXPECT_EQ(counters->overflows, 3U);
}

TEST(ListenCounters, AreNotGuessed) {
  for (const char* text : {"", "TcpExt:", "TcpExt: SyncookiesSent ListenOverflows\n",
                           "TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 1\n",
                           "TcpExt: SyncookiesSent ListenOverflows\nTcpExt: x y\n", "\n\n\n"})
    EXPECT_FALSE(listen_counters_in(text)) << text;
}

TEST(ListenCounters, OfThisNamespaceAreThere) {
  const auto counters = read_listen_counters();
  ASSERT_TRUE(counters);
}

}  // namespace
}  // namespace tcpdwell
