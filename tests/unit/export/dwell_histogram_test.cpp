// SPDX-License-Identifier: Apache-2.0
#include "export/dwell_histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace tcpdwell::exporter {
namespace {

using namespace std::chrono_literals;

TEST(DwellHistogram, BucketHoldsValuesUpToItsBound) {
  EXPECT_EQ(DwellHistogram::bucket_of(1'000'000'000), 0) << "2^0 s belongs below its own bound";
  EXPECT_EQ(DwellHistogram::bucket_of(1'000'000'001), 1);
  EXPECT_EQ(DwellHistogram::bucket_of(2'000'000'000), 32);
  EXPECT_EQ(DwellHistogram::bucket_of(500'000'000), -32);
  EXPECT_EQ(DwellHistogram::bucket_of(500'000'001), -31);
}

TEST(DwellHistogram, BucketsMatchLogarithm) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> dwells(16, 6);
  for (int i = 0; i < 100'000; ++i) {
    const auto value = static_cast<std::uint64_t>(std::clamp(dwells(random), 1.0, 9e18));
    const long double seconds = static_cast<long double>(value) / 1'000'000'000;
    const int bucket = DwellHistogram::bucket_of(value);
    ASSERT_LE(seconds, std::exp2(static_cast<long double>(bucket) / 32) * (1 + 1e-18L)) << value;
    ASSERT_GT(seconds, std::exp2(static_cast<long double>(bucket - 1) / 32) * (1 - 1e-18L))
        << value;
  }
}

TEST(DwellHistogram, ShortestAndLongestHaveBuckets) {
  DwellHistogram dwells;
  for (const Nanos value : {1ns, 2ns, Nanos::max()}) dwells.add(value);
  EXPECT_EQ(dwells.buckets().size(), 3U);
  EXPECT_EQ(dwells.zeros(), 0U);
}

TEST(DwellHistogram, ZeroAndNegativeValuesAreZeros) {
  DwellHistogram dwells;
  dwells.add(0ns);
  dwells.add(-5ns);
  EXPECT_EQ(dwells.zeros(), 2U);
  EXPECT_EQ(dwells.count(), 2U);
  EXPECT_TRUE(dwells.buckets().empty());
  EXPECT_EQ(dwells.seconds(), 0);
}

TEST(DwellHistogram, ClassicBoundsArePowersOfFour) {
  DwellHistogram dwells;
  dwells.add(0ns);
  dwells.add(1s);         // le="1.0"
  dwells.add(1s + 1ns);   // le="4.0"
  dwells.add(365 * 24h);  // above all
  const auto classic = dwells.classic();
  const auto at = [&](int power) {
    return classic[static_cast<std::size_t>(power - DwellHistogram::kLeastPower)];
  };
  EXPECT_EQ(at(-8), 1U);
  EXPECT_EQ(at(-1), 1U);
  EXPECT_EQ(at(0), 2U);
  EXPECT_EQ(at(1), 3U);
  EXPECT_EQ(at(9), 3U);
  EXPECT_EQ(dwells.count(), 4U);
}

TEST(DwellHistogram, SumKeepsNanosecondsOfLongRuns) {
  DwellHistogram dwells;
  for (int i = 0; i < 1000; ++i) dwells.add(200 * 365 * 24h);  // overflows 64 bits of nanoseconds
  dwells.add(250ms);
  EXPECT_EQ(dwells.seconds(), 1000.0 * 200 * 365 * 86400 + 0.25);
}

}  // namespace
}  // namespace tcpdwell::exporter
