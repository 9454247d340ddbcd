// SPDX-License-Identifier: Apache-2.0
// Compares percentiles with those of the sorted values.
#include "stats/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr double kMostOff = 1.0 / 128;

Nanos exact_percentile(std::vector<std::int64_t>& values, double share) {
  const auto rank = static_cast<std::ptrdiff_t>(std::ceil(share * double(values.size())));
  const auto nth = values.begin() + std::max<std::ptrdiff_t>(rank, 1) - 1;
  std::nth_element(values.begin(), nth, values.end());
  return Nanos{*nth};
}

void expect_percentiles(const Histogram& histogram, std::vector<std::int64_t>& values,
                        const char* what) {
  ASSERT_EQ(histogram.count(), values.size());
  for (const double share : {0.0, 0.5, 0.9, 0.99, 1.0}) {
    const auto exact = double(exact_percentile(values, share).count());
    const auto found = double(histogram.percentile(share).count());
    EXPECT_LE(std::abs(found - exact), kMostOff * exact) << what << ", " << share;
  }
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  EXPECT_EQ(histogram.min(), Nanos{*least}) << what;
  EXPECT_EQ(histogram.max(), Nanos{*most}) << what;
}

// A fast random number generator.
struct Random {
  std::uint64_t state = 0x9e3779b97f4a7c15;
  std::uint64_t operator()() {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    return state;
  }
};

// 10 million dwells, with realistic ranges for several states.
TEST(Histogram, ErrorIsWithinResolution) {
  Random random;
  const auto draw = [&](int kind) -> std::int64_t {
    const std::uint64_t r = random();
    switch (kind) {
      case 0: return std::int64_t(60'000'000'000 + r % 2'048'000'000);  // TIME_WAIT
      case 1: return std::int64_t((r >> 20U) >> (r % 44));              // from 1 ns to 5 h, evenly
      case 2: return std::int64_t(r % 200'000);                         // a handshake
      default:
        return r % 10 != 0 ? std::int64_t(40'000 + r % 1'000) : std::int64_t(r % 8'000'000'000);
    }
  };
  std::vector<std::int64_t> values(2'500'000);
  for (int kind = 0; kind < 4; ++kind) {
    Histogram histogram;
    for (std::int64_t& value : values) histogram.add(Nanos{value = draw(kind)});
    expect_percentiles(histogram, values, std::to_string(kind).c_str());
  }
}

TEST(Histogram, MergeEqualsOneHistogram) {
  std::mt19937_64 random(3);
  Histogram one, parts[3];
  for (int i = 0; i < 30'000; ++i) {
    const Nanos value{std::int64_t(random() >> (1 + random() % 62))};
    one.add(value);
    parts[i % 3].add(value);
  }
  Histogram merged;
  for (const Histogram& part : parts) merged.merge(part);
  EXPECT_EQ(merged.count(), one.count());
  EXPECT_EQ(merged.min(), one.min());
  EXPECT_EQ(merged.max(), one.max());
  for (int i = 0; i <= 1000; ++i) {
    const double share = i / 1000.0;
    ASSERT_EQ(merged.percentile(share), one.percentile(share)) << share;
  }
  for (std::int64_t low = 1; low < (std::int64_t{1} << 60U); low *= 2)
    ASSERT_EQ(merged.between(Nanos{low}, Nanos{2 * low}), one.between(Nanos{low}, Nanos{2 * low}));
}

TEST(Histogram, EmptyIsZero) {
  Histogram histogram;
  histogram.merge(Histogram{});
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.min(), 0ns);
  EXPECT_EQ(histogram.max(), 0ns);
  EXPECT_EQ(histogram.percentile(0.5), 0ns);
  EXPECT_EQ(histogram.between(0ns, 1h), 0U);
}

TEST(Histogram, BucketsAddUp) {
  Histogram one, two, both;
  for (const Nanos value : {Nanos{3}, Nanos{5ms}, Nanos{5ms}, Nanos{1h}})
    one.add(value), both.add(value);
  for (const Nanos value : {Nanos{3}, Nanos{5ms + 1ns}, Nanos::max()})
    two.add(value), both.add(value);
  std::map<Nanos, std::uint64_t> sum;
  for (const Histogram* each : {&one, &two})
    for (const auto& [upper, count] : each->buckets()) sum[upper] += count;
  const auto merged = both.buckets();
  EXPECT_EQ((std::vector<std::pair<Nanos, std::uint64_t>>(sum.begin(), sum.end())), merged);
  EXPECT_EQ(merged.front(), (std::pair{Nanos{4}, std::uint64_t{2}})) << "3 ns: below 4 ns";
  EXPECT_EQ(merged.back().first, Nanos::max());
  EXPECT_TRUE(Histogram{}.buckets().empty());
}

TEST(Histogram, AcceptsAnyDuration) {
  Histogram histogram;
  for (const Nanos value : {Nanos{-5}, 0ns, 1ns, 63ns, Nanos::max()}) histogram.add(value);
  EXPECT_EQ(histogram.min(), 0ns) << "negative values count as 0";
  EXPECT_EQ(histogram.max(), Nanos::max());
  EXPECT_EQ(histogram.percentile(0), 0ns);
  EXPECT_EQ(histogram.percentile(0.6), 1ns);
  EXPECT_EQ(histogram.percentile(0.8), 63ns);
  EXPECT_NEAR(double(histogram.percentile(1).count()), 9.2e18, 0.2e18);
  EXPECT_EQ(histogram.between(0ns, 64ns), 4U);
}

TEST(Histogram, SmallValuesAreExact) {
  for (int value = 0; value < 128; ++value) {
    Histogram histogram;
    histogram.add(Nanos{value});
    histogram.add(1s);  // so that clamping to the maximum does not help
    EXPECT_EQ(histogram.percentile(0.5), Nanos{value});
  }
}

// One value on each side of every change of the bucket width.
TEST(Histogram, ErrorIsSmallAtPowersOfTwo) {
  for (unsigned bit = 1; bit < 63; ++bit)
    for (const std::int64_t off : {-1, 0, 1}) {
      const std::int64_t value = (std::int64_t{1} << bit) + off;
      Histogram histogram;
      histogram.add(0ns);
      histogram.add(Nanos{value});
      histogram.add(Nanos::max());
      EXPECT_LE(std::abs(double(histogram.percentile(0.5).count() - value)), double(value) / 128)
          << value;
    }
}

TEST(Histogram, Clears) {
  Histogram histogram;
  histogram.add(5s);
  histogram.clear();
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.max(), 0ns);
  histogram.add(1ms);
  EXPECT_EQ(histogram.percentile(1), 1ms);
  EXPECT_EQ(histogram.count(), 1U);
}

}  // namespace
}  // namespace tcpdwell
