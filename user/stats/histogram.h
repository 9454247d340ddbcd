// SPDX-License-Identifier: Apache-2.0
// Counts of durations, log-linear: every power of two has 64 buckets of equal width, and a bucket
// stands for its middle, so that a percentile is off by 1/128 (0.8 %) at the most; below 128 ns it
// is exact, and so are minimum and maximum. From 0 to 292 years; 512 bytes for each power of two
// that something fell into, which for one state of one service are a handful, and never more than
// 58.
//
// Merging two gives what all values in one would have given. Nothing is ever dropped or aged.
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
  // Buckets are at the most this part of a value wide: one that may be further off says more than
  // is known.
  static constexpr std::int64_t kResolution = 64;

  void add(Nanos value);  // a negative one is 0
  void merge(const Histogram& other);
  // Begins anew; the room stays, unless it was not needed this time either.
  void clear();

  std::uint64_t count() const { return count_; }
  // Of those that were added; 0 if there are none.
  Nanos min() const { return count_ == 0 ? Nanos{0} : min_; }
  Nanos max() const { return max_; }
  // The value that `share` (0 to 1) of all are not above.
  Nanos percentile(double share) const;
  // How many are in [low, high), or, up to Nanos::max(), not below `low`; by the middles of their
  // buckets: exact if both are bounds of buckets.
  std::uint64_t between(Nanos low, Nanos high) const;
  // The bounds of the bucket that a value is in: [begin_of(value), end_of(value)).
  static Nanos begin_of(Nanos value);
  static Nanos end_of(Nanos value);

 private:
  static constexpr unsigned kBits = 6;
  static constexpr std::size_t kBuckets = 1U << kBits;
  using Octave = std::array<std::uint64_t, kBuckets>;

  // The first holds 0 to 63; the one after it 64 to 127, and from then on each a power of two.
  struct Bucket {
    unsigned octave = 0;
    std::size_t bucket = 0;
  };
  static Bucket bucket_of(std::uint64_t value);
  static Nanos low_of(const Bucket& bucket);
  static Nanos width_of(const Bucket& bucket);
  static Nanos middle_of(const Bucket& bucket) { return low_of(bucket) + width_of(bucket) / 2; }
  Octave& octave(unsigned number);
  // look(bucket, count), from the smallest on, until it returns false.
  template <typename Look>
  void for_each(Look&& look) const;

  std::uint64_t count_ = 0;
  Nanos min_ = Nanos::max(), max_{};
  std::uint64_t there_ = 0;      // a bit for each octave that is in octaves_
  std::vector<Octave> octaves_;  // in rising order
};

}  // namespace tcpdwell
