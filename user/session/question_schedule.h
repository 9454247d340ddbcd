// SPDX-License-Identifier: Apache-2.0
// When the kernel is asked about the connections that wait for an answer. Pure.
//
// One query answers all of them, but it is a walk through all sockets of a namespace, and for a
// flag through all descriptors. So queries are apart by a multiple of what the last one cost; a
// flag is not kept waiting for long; an end that nothing explains, or a connection that has not
// been heard of for long, can wait.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "model/types.h"
#include "session/cpu_share.h"

namespace tcpdwell {

class QuestionSchedule {
 public:
  // A question begins to wait.
  void waits(Nanos now, bool for_flag) {
    if (!first_) first_ = now;
    if (for_flag && !first_flag_) first_flag_ = now;
  }
  // All that wait are asked.
  void asks(Nanos now) {
    asked_ = now;
    first_.reset();
    first_flag_.reset();
  }
  // The last query has ended, and took this CPU time.
  void ended(Nanos cost) { cost_ = cost; }
  Nanos last_cost() const { return cost_; }

  // nullopt: nothing waits.
  std::optional<Nanos> due() const {
    if (!first_) return std::nullopt;
    const Nanos together = *first_ + std::clamp(kPromise - cost_, Nanos{0}, kTogether);
    if (!asked_) return together;
    const Nanos due = first_flag_
                          ? std::min(*asked_ + kShares * cost_, *first_flag_ + kMostWait)
                          : std::min(*asked_ + kOtherShares * cost_, *first_ + kMostWaitOfOthers);
    return std::max(together, due);
  }

 private:
  static constexpr Nanos kTogether = std::chrono::milliseconds{50};  // flags that share a query,
  static constexpr Nanos kPromise = std::chrono::milliseconds{90};   // to be 100 ms late at most
  static constexpr std::int64_t kOtherShares = 50;                   // 2 % of one CPU
  // Less than a pending end waits for its answer (user/lifecycle/pending_ends.cpp).
  static constexpr Nanos kMostWaitOfOthers = std::chrono::seconds{4};

  std::optional<Nanos> first_, first_flag_, asked_;
  Nanos cost_{};
};

}  // namespace tcpdwell
