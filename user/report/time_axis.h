// SPDX-License-Identifier: Apache-2.0
// Time in bins of equal width, for a run of unknown length: when the last bin is full, bins are
// merged in pairs. So the memory is bounded, and the bins are at most twice as wide as needed.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "model/types.h"

namespace tcpdwell::reporting {

class TimeAxis {
 public:
  static constexpr std::size_t kBins = 480;
  static constexpr Nanos kFinest = std::chrono::milliseconds{100};

  explicit TimeAxis(Nanos begin = {}) : begin_(begin) {}

  Nanos begin() const { return begin_; }
  Nanos step() const { return step_; }
  unsigned folds() const { return folds_; }  // how often bins were merged
  // The end of the bin, as a time of CLOCK_MONOTONIC.
  Nanos end_of(std::size_t bin) const {
    return begin_ + step_ * (static_cast<std::int64_t>(bin) + 1);
  }
  // Makes room for `at`, then returns its bin. Times before the axis are in the first one.
  std::size_t bin(Nanos at) {
    if (at <= begin_) return 0;
    while (static_cast<std::size_t>((at - begin_) / step_) >= kBins) {
      step_ *= 2;
      ++folds_;
    }
    return static_cast<std::size_t>((at - begin_) / step_);
  }

 private:
  Nanos begin_;
  Nanos step_ = kFinest;
  unsigned folds_ = 0;
};

// Values in the bins of an axis. `Merge::merge(a, b)`: of two bins that become one; `b` is later.
template <typename T, typename Merge>
class Binned {
 public:
  // The value at `at`. The reference is valid until the next call.
  T& at(TimeAxis& axis, Nanos at) {
    const std::size_t bin = axis.bin(at);
    settle(axis);
    if (bins_.size() <= bin) bins_.resize(bin + 1);
    return bins_[bin];
  }
  // Values of the first `count` bins.
  std::vector<T> values(const TimeAxis& axis, std::size_t count) {
    settle(axis);
    std::vector<T> all = bins_;
    all.resize(count);
    return all;
  }

 private:
  void settle(const TimeAxis& axis) {
    for (; folds_ < axis.folds(); ++folds_) {
      const std::size_t half = (bins_.size() + 1) / 2;
      for (std::size_t i = 0; i < half; ++i) {
        const T later = 2 * i + 1 < bins_.size() ? bins_[2 * i + 1] : T{};
        bins_[i] = Merge::merge(bins_[2 * i], later);
      }
      bins_.resize(half);
    }
  }

  std::vector<T> bins_;
  unsigned folds_ = 0;
};

struct MergeSums {
  template <typename T>
  static T merge(const T& a, const T& b) {
    return a + b;
  }
};
struct KeepLater {
  template <typename T>
  static std::optional<T> merge(const std::optional<T>& a, const std::optional<T>& b) {
    return b ? b : a;
  }
};
struct KeepLargest {
  template <typename T>
  static std::optional<T> merge(const std::optional<T>& a, const std::optional<T>& b) {
    return !a || (b && *a < *b) ? b : a;
  }
};

using Sums = Binned<std::uint64_t, MergeSums>;

}  // namespace tcpdwell::reporting
