// SPDX-License-Identifier: Apache-2.0
#include "stats/histogram.h"

#include <algorithm>
#include <cmath>

namespace tcpdwell {

Histogram::Bucket Histogram::bucket_of(std::uint64_t value) {
  const auto width = static_cast<unsigned>(std::bit_width(value));
  if (width <= kBits) return {0, value};
  const unsigned shift = width - kBits - 1;
  return {shift + 1, (value >> shift) & (kBuckets - 1)};
}

Nanos Histogram::low_of(const Bucket& bucket) {
  if (bucket.octave == 0) return Nanos{static_cast<std::int64_t>(bucket.index)};
  return Nanos{static_cast<std::int64_t>((kBuckets + bucket.index) << (bucket.octave - 1))};
}

Nanos Histogram::width_of(const Bucket& bucket) {
  return Nanos{std::int64_t{1} << (bucket.octave == 0 ? 0 : bucket.octave - 1)};
}

Nanos Histogram::begin_of(Nanos value) {
  return low_of(bucket_of(static_cast<std::uint64_t>(value.count())));
}

Nanos Histogram::high_of(const Bucket& bucket) {
  const Nanos low = low_of(bucket);
  return low > Nanos::max() - width_of(bucket) ? Nanos::max() : low + width_of(bucket);
}

Nanos Histogram::end_of(Nanos value) {
  return high_of(bucket_of(static_cast<std::uint64_t>(value.count())));
}

Histogram::Octave& Histogram::octave(unsigned number) {
  const std::uint64_t bit = std::uint64_t{1} << number;
  const auto before = std::popcount(present_ & (bit - 1));
  if ((present_ & bit) == 0) {
    octaves_.insert(octaves_.begin() + before, Octave{});
    present_ |= bit;
  }
  return octaves_[static_cast<std::size_t>(before)];
}

void Histogram::add(Nanos value) {
  value = std::max(value, Nanos{0});
  const Bucket bucket = bucket_of(static_cast<std::uint64_t>(value.count()));
  ++octave(bucket.octave)[bucket.index];
  ++count_;
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

void Histogram::merge(const Histogram& other) {
  std::size_t slot = 0;
  for (std::uint64_t left = other.present_; left != 0; left &= left - 1, ++slot) {
    Octave& mine = octave(static_cast<unsigned>(std::countr_zero(left)));
    for (std::size_t i = 0; i < kBuckets; ++i) mine[i] += other.octaves_[slot][i];
  }
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void Histogram::clear() {
  if (count_ == 0)
    octaves_ = {};
  else
    octaves_.clear();
  present_ = 0;
  count_ = 0;
  min_ = Nanos::max();
  max_ = {};
}

template <typename Visit>
void Histogram::for_each(Visit&& visit) const {
  std::size_t slot = 0;
  for (std::uint64_t left = present_; left != 0; left &= left - 1, ++slot)
    for (std::size_t i = 0; i < kBuckets; ++i) {
      const std::uint64_t count = octaves_[slot][i];
      const Bucket bucket{static_cast<unsigned>(std::countr_zero(left)), i};
      if (count != 0 && !visit(bucket, count)) return;
    }
}

std::vector<std::pair<Nanos, std::uint64_t>> Histogram::buckets() const {
  std::vector<std::pair<Nanos, std::uint64_t>> all;
  for_each([&](const Bucket& bucket, std::uint64_t count) {
    all.emplace_back(high_of(bucket), count);
    return true;
  });
  return all;
}

Nanos Histogram::percentile(double share) const {
  if (count_ == 0) return Nanos{0};
  const double exact = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const std::uint64_t rank = std::max<std::uint64_t>(static_cast<std::uint64_t>(exact), 1);
  std::uint64_t so_far = 0;
  Nanos found = max_;
  for_each([&](const Bucket& bucket, std::uint64_t count) {
    so_far += count;
    if (so_far < rank) return true;
    found = middle_of(bucket);
    return false;
  });
  return std::clamp(found, min_, max_);
}

std::uint64_t Histogram::between(Nanos low, Nanos high) const {
  std::uint64_t all = 0;
  for_each([&](const Bucket& bucket, std::uint64_t count) {
    const Nanos middle = std::clamp(middle_of(bucket), min_, max_);
    const bool below = middle < high || high == Nanos::max();
    if (middle >= low && below) all += count;
    return below;
  });
  return all;
}

}  // namespace tcpdwell
