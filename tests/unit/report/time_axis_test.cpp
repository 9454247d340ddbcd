// SPDX-License-Identifier: Apache-2.0
// Bins over a time of unknown length.
#include "report/time_axis.h"

#include <gtest/gtest.h>

#include <numeric>

namespace tcpdwell::reporting {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kBegin = 1000s;

TEST(TimeAxis, MergesBinsOnceTheLastIsFull) {
  TimeAxis axis(kBegin);
  EXPECT_EQ(axis.bin(kBegin), 0U);
  EXPECT_EQ(axis.bin(kBegin + 150ms), 1U);
  EXPECT_EQ(axis.bin(kBegin + 48s - 1ns), TimeAxis::kBins - 1);
  EXPECT_EQ(axis.step(), 100ms);
  EXPECT_EQ(axis.bin(kBegin + 48s), TimeAxis::kBins / 2);
  EXPECT_EQ(axis.step(), 200ms);
  EXPECT_EQ(axis.bin(kBegin - 5s), 0U) << "what came before is in the first bin";
}

TEST(TimeAxis, SumsSurviveMerging) {
  TimeAxis axis(kBegin);
  Sums sums, late;
  for (int i = 0; i < 4800; ++i) ++sums.at(axis, kBegin + 10ms * i);
  ++late.at(axis, kBegin + 24h);
  EXPECT_GT(axis.folds(), 5U);
  const auto values = sums.values(axis, TimeAxis::kBins);
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), std::uint64_t{0}), 4800U);
  EXPECT_EQ(values.front(), 4800U) << "48 s are one bin of a day";
  EXPECT_EQ(late.values(axis, TimeAxis::kBins)[axis.bin(kBegin + 24h)], 1U);
}

TEST(TimeAxis, KeepsLaterSampleAndLargest) {
  TimeAxis axis(kBegin);
  Binned<std::optional<int>, KeepLater> later;
  Binned<std::optional<int>, KeepLargest> largest;
  for (const auto& [at, value] : {std::pair{0ms, 9}, {100ms, 4}, {200ms, 3}}) {
    later.at(axis, kBegin + at) = value;
    largest.at(axis, kBegin + at) = value;
  }
  axis.bin(kBegin + 48s);
  EXPECT_EQ(later.values(axis, 2)[0], 4);
  EXPECT_EQ(later.values(axis, 2)[1], 3);
  EXPECT_EQ(largest.values(axis, 2)[0], 9);
}

}  // namespace
}  // namespace tcpdwell::reporting
