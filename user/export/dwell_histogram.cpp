// SPDX-License-Identifier: Apache-2.0
#include "export/dwell_histogram.h"

#include <algorithm>
#include <cmath>

namespace tcpdwell::exporter {
namespace {

constexpr int kSteps = 1 << DwellHistogram::kSchema;  // buckets for each power of two
constexpr int kLowest = -31 * kSteps + 1;             // the first above the zero threshold
constexpr int kHighest = 34 * kSteps;                 // 544 years: above any Nanos
constexpr std::uint64_t kSecond = 1'000'000'000;

using Bounds = std::array<std::uint64_t, kHighest - kLowest + 1>;

// The upper bounds in nanoseconds, rounded down: a whole number is at most the bound if and only if
// it is at most the rounded bound. Powers of two come from a shift, since they are exact in
// seconds.
Bounds make_bounds() {
  Bounds bounds{};
  for (int i = kLowest; i <= kHighest; ++i) {
    const long double bound = std::exp2(static_cast<long double>(i) / kSteps) * kSecond;
    bounds[static_cast<std::size_t>(i - kLowest)] =
        bound >= 0x1p63L ? UINT64_MAX : static_cast<std::uint64_t>(bound);
  }
  for (int power = -30; power <= 33; ++power) {
    const std::uint64_t bound = power >= 0 ? kSecond << power : kSecond >> -power;
    bounds[static_cast<std::size_t>(power * kSteps - kLowest)] = bound;
  }
  return bounds;
}

const Bounds& bounds() {
  static const Bounds kBounds = make_bounds();
  return kBounds;
}

}  // namespace

int DwellHistogram::bucket_of(std::uint64_t nanoseconds) {
  const Bounds& all = bounds();
  const auto it = std::lower_bound(all.begin(), all.end(), nanoseconds);
  return static_cast<int>(it - all.begin()) + kLowest;
}

void DwellHistogram::add(Nanos value) {
  const auto nanoseconds = static_cast<std::uint64_t>(std::max(value.count(), std::int64_t{0}));
  ++count_;
  nanoseconds_ += nanoseconds % kSecond;
  whole_seconds_ += nanoseconds / kSecond + nanoseconds_ / kSecond;
  nanoseconds_ %= kSecond;
  if (nanoseconds == 0) {
    ++zeros_;
    return;
  }
  const int bucket = bucket_of(nanoseconds);
  if (counts_.empty()) first_ = bucket;
  if (bucket < first_) {
    counts_.insert(counts_.begin(), static_cast<std::size_t>(first_ - bucket), 0);
    first_ = bucket;
  }
  const auto place = static_cast<std::size_t>(bucket - first_);
  if (place >= counts_.size()) counts_.resize(place + 1);
  ++counts_[place];
}

double DwellHistogram::seconds() const {
  return static_cast<double>(whole_seconds_) + static_cast<double>(nanoseconds_) / kSecond;
}

std::vector<std::pair<int, std::uint64_t>> DwellHistogram::buckets() const {
  std::vector<std::pair<int, std::uint64_t>> all;
  for (std::size_t i = 0; i < counts_.size(); ++i)
    if (counts_[i] != 0) all.emplace_back(first_ + static_cast<int>(i), counts_[i]);
  return all;
}

std::array<std::uint64_t, DwellHistogram::kClassicBounds> DwellHistogram::classic() const {
  std::array<std::uint64_t, kClassicBounds> all{};
  std::uint64_t so_far = zeros_;
  std::size_t next = 0;
  for (int power = kLeastPower; power <= kMostPower; ++power) {
    const int last = 2 * power * kSteps;  // 4^power is 2^(2 power)
    for (; next < counts_.size() && first_ + static_cast<int>(next) <= last; ++next)
      so_far += counts_[next];
    all[static_cast<std::size_t>(power - kLeastPower)] = so_far;
  }
  return all;
}

}  // namespace tcpdwell::exporter
