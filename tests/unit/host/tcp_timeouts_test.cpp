// SPDX-License-Identifier: Apache-2.0
// How long the kernel's timers really take. Values measured on a kernel are marked.
#include "host/tcp_timeouts.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

Nanos latest_time_wait(unsigned hz) { return timer_bounds(60s, hz).max; }

TEST(TimerBounds, TimeWait) {
  EXPECT_EQ(timer_bounds(60s, 250).min, 60s) << "a timer is never early";
  EXPECT_EQ(latest_time_wait(100), 65'120ms);
  EXPECT_EQ(latest_time_wait(250), 62'048ms) << "measured: 60 sockets, 62.048 s at the most";
  EXPECT_EQ(latest_time_wait(300), Nanos{61'706'666'667}) << "512 jiffies, rounded up";
  EXPECT_EQ(latest_time_wait(1000), 64'096ms);
}

TEST(TimerBounds, LevelEndsBeforeLastSlot) {
  EXPECT_EQ(timer_bounds(62ms, 1000).max, 63ms);
  EXPECT_EQ(timer_bounds(63ms, 1000).max, 71ms) << "63 jiffies are too far for the finest level";
  EXPECT_EQ(timer_bounds(503ms, 1000).max, 511ms);
  EXPECT_EQ(timer_bounds(504ms, 1000).max, 568ms);
}

TEST(TimerBounds, ShortFinTimeout) {
  EXPECT_EQ(timer_bounds(3s, 250).max, 3'256ms) << "measured: 3.0 to 3.26 s";
}

TEST(ModelTimeout, DoublesUpToTheMaximum) {
  EXPECT_EQ(model_timeout(15, kRtoMin, kRtoMax), 924'600ms) << "as ip-sysctl.rst says";
  EXPECT_EQ(model_timeout(8, kRtoMin, kRtoMax), 102'200ms)
      << "measured: an orphan was given up 107 s after its FIN";
  EXPECT_EQ(model_timeout(4, kRtoMin, kRtoMax), 6'200ms);
  EXPECT_EQ(model_timeout(0, kRtoMin, kRtoMax), 200ms);
  EXPECT_EQ(model_timeout(255, kRtoMin, kRtoMax), 204'600ms + 246 * 120s);
  EXPECT_EQ(model_timeout(6, kRtoMin, 1s), 5'400ms) << "measured: given up after 6.8 s";
  EXPECT_EQ(model_timeout(3, 1s, 1s), 4s) << "nothing to double";
}

TEST(SynTimeout, WithoutLinearTimeouts) {
  EXPECT_EQ(syn_timeout(6, 0, kRtoMax), 127s);
  EXPECT_EQ(syn_timeout(1, 0, kRtoMax), 3s) << "measured: 3.04 s";
  EXPECT_EQ(syn_timeout(2, 0, kRtoMax), 7s) << "measured: 7.23 s";
  EXPECT_EQ(syn_timeout(7, 0, kRtoMax), 247s) << "the last timeout is of 120 s";
}

TEST(SynTimeout, WithLinearTimeouts) {
  EXPECT_EQ(syn_timeout(6, 4, kRtoMax), 131s) << "as ip-sysctl.rst says";
  EXPECT_EQ(syn_timeout(1, 4, kRtoMax), 3s) << "measured: 3.09 s, and not after 5 retransmits";
  EXPECT_EQ(syn_timeout(2, 4, kRtoMax), 7s) << "measured: 7.11 s";
  EXPECT_EQ(syn_timeout(2, 1, kRtoMax), 8s) << "measured: 8.19 s";
}

TEST(SynTimeout, IsBoundedForExtremeValues) {
  EXPECT_EQ(syn_timeout(255, 255, 1s), 256s);
  EXPECT_EQ(syn_timeout(0, 0, kRtoMax), 1s);
}

TEST(SynAckTimeout, Doubles) {
  EXPECT_EQ(syn_ack_timeout(5, kRtoMax), 63s) << "as ip-sysctl.rst says";
  EXPECT_EQ(syn_ack_timeout(2, kRtoMax), 7s) << "measured: 7.19 s";
  EXPECT_EQ(syn_ack_timeout(8, kRtoMax), 127s + 2 * 120s);
}

TEST(OrphanTimeout, ExcessOverAMinuteCountsTwice) {
  EXPECT_EQ(orphan_timeout(30s), 30s);
  EXPECT_EQ(orphan_timeout(60s), 60s);
  EXPECT_EQ(orphan_timeout(63s), 6s) << "measured: 6.303 s";
  EXPECT_EQ(orphan_timeout(120s), 120s);
}

}  // namespace
}  // namespace tcpdwell
