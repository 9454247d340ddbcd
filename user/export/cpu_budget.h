// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>

#include "util/cpu_time.h"

namespace tcpdwell::exporter {

// A share of one CPU that the calling thread may use. What it does not use it may use later, up to
// 200 ms. Construct and ask on the same thread.
class CpuBudget {
 public:
  explicit CpuBudget(double share) : share_(share) {}

  bool is_spent() {
    const auto now = Clock::now();
    const Nanoseconds used = thread_cpu_time();
    const auto earned = std::chrono::duration_cast<Nanoseconds>((now - last_) * share_);
    credit_ = std::min<Nanoseconds>(credit_ + earned, kMostCredit) - (used - used_);
    last_ = now;
    used_ = used;
    return credit_ < Nanoseconds::zero();
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Nanoseconds = std::chrono::nanoseconds;

  static constexpr Nanoseconds kMostCredit = std::chrono::milliseconds{200};

  double share_;
  Nanoseconds credit_ = kMostCredit, used_ = thread_cpu_time();
  Clock::time_point last_ = Clock::now();
};

}  // namespace tcpdwell::exporter
