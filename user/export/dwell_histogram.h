// SPDX-License-Identifier: Apache-2.0
// A histogram of durations for Prometheus: the buckets of a native histogram of schema 5, whose
// bounds are powers of the 32nd root of two, in seconds. A bucket is at most 2.2 % wide. Bounds at
// powers of four, for a classic histogram, are among them.
//
// Counts are exact: each value is compared with the bounds in nanoseconds, rounded down.
#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/types.h"

namespace tcpdwell::exporter {

class DwellHistogram {
 public:
  static constexpr int kSchema = 5;
  static constexpr double kZeroThreshold = 0x1p-31;  // seconds: half a nanosecond
  // The classic bounds, in seconds: 4^-8 (15 us) to 4^9 (3 days).
  static constexpr int kLeastPower = -8, kMostPower = 9;
  static constexpr int kClassicBounds = kMostPower - kLeastPower + 1;

  void add(Nanos value);  // negative values count as 0

  std::uint64_t count() const { return count_; }
  std::uint64_t zeros() const { return zeros_; }
  double seconds() const;  // the sum of all values

  // Non-empty buckets and their counts, in ascending order. Bucket i has the values above
  // 2^((i-1)/32) s, up to and including 2^(i/32) s.
  std::vector<std::pair<int, std::uint64_t>> buckets() const;
  // How many values are at most 4^power seconds, for each classic bound in ascending order.
  std::array<std::uint64_t, kClassicBounds> classic() const;

  // The bucket of a value, which is at least 1 ns.
  static int bucket_of(std::uint64_t nanoseconds);

 private:
  std::uint64_t count_ = 0, zeros_ = 0;
  std::uint64_t whole_seconds_ = 0, nanoseconds_ = 0;  // of the sum
  int first_ = 0;                                      // the bucket of counts_[0]
  std::vector<std::uint64_t> counts_;                  // from the lowest to the highest one used
};

}  // namespace tcpdwell::exporter
