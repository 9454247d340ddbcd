// SPDX-License-Identifier: Apache-2.0
// A log-linear histogram of durations from 0 to 292 years. Each power of two has 64 buckets of
// equal width, and a bucket counts as its middle. So a percentile is off by at most 1/128 (0.8 %),
// and is exact below 128 ns. Minimum and maximum are exact.
//
// Memory: 512 bytes for each power of two with a value; a handful for one state of one service, at
// most 58. Merging two histograms equals adding all values to one. Values are never dropped or
// aged.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/types.h"

namespace tcpdwell {

class Histogram {
 public:
  // The width of a bucket is at most 1/kResolution of its values. A value with a larger error does
  // not belong in a histogram.
  static constexpr std::int64_t kResolution = 64;

  void add(Nanos value);  // negative values count as 0
  void merge(const Histogram& other);
  // Removes all values. Keeps the memory, unless the histogram is empty already.
  void clear();

  std::uint64_t count() const { return count_; }
  // Exact; 0 if the histogram is empty.
  Nanos min() const { return count_ == 0 ? Nanos{0} : min_; }
  Nanos max() const { return max_; }
  // The value that `share` (0 to 1) of all values do not exceed.
  Nanos percentile(double share) const;
  // How many values are in [low, high); high == Nanos::max() means no upper bound. Uses the middles
  // of the buckets: exact if both bounds are bounds of buckets.
  std::uint64_t between(Nanos low, Nanos high) const;
  // The non-empty buckets in ascending order: the upper bound, which belongs to the next bucket,
  // and the number of values. Those of two histograms with equal bounds can be added.
  std::vector<std::pair<Nanos, std::uint64_t>> buckets() const;
  // The bounds of the bucket of a value: [begin_of(value), end_of(value)).
  static Nanos begin_of(Nanos value);
  static Nanos end_of(Nanos value);

 private:
  static constexpr unsigned kBits = 6;
  static constexpr std::size_t kBuckets = 1U << kBits;
  using Octave = std::array<std::uint64_t, kBuckets>;

  // Octave 0 holds 0 to 63, octave 1 holds 64 to 127, and each later one a power of two.
  struct Bucket {
    unsigned octave = 0;
    std::size_t index = 0;  // in its octave
  };
  static Bucket bucket_of(std::uint64_t value);
  static Nanos low_of(const Bucket& bucket);
  static Nanos width_of(const Bucket& bucket);
  static Nanos high_of(const Bucket& bucket);
  static Nanos middle_of(const Bucket& bucket) { return low_of(bucket) + width_of(bucket) / 2; }
  Octave& octave(unsigned number);
  // Calls visit(bucket, count) for each non-empty bucket in ascending order, until it returns
  // false.
  template <typename Visit>
  void for_each(Visit&& visit) const;

  std::uint64_t count_ = 0;
  Nanos min_ = Nanos::max(), max_{};
  std::uint64_t present_ = 0;    // a bit for each octave that is in octaves_
  std::vector<Octave> octaves_;  // in ascending order
};

}  // namespace tcpdwell
