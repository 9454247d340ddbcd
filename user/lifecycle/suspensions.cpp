// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/suspensions.h"

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kMostInAll{INT64_MAX / 8};
constexpr Nanos kNoise = 1ms;  // the clocks are read one after the other

}  // namespace

void Suspensions::add(const SuspendEvent& event) {
  if (all_.size() >= kMost) {
    all_[1].length += all_[0].length;  // at most kMostInAll: no overflow
    all_[1].since = all_[0].since;
    all_.erase(all_.begin());
  }
  all_.push_back(event);
  Nanos& length = all_.back().length;
  length = std::min(length, kMostInAll - total_);
  total_ += length;
  last_at_ = std::max(last_at_, event.at);
}

Nanos Suspensions::sum(Nanos begin, Nanos end) const {
  Nanos total{};
  for (auto it = all_.rbegin(); it != all_.rend() && it->at > begin; ++it)
    if (it->since < end) total += it->length;
  return total;
}

std::optional<SuspendEvent> SuspendWatch::compare(Nanos now, Nanos ahead) {
  const Nanos step = ahead_ ? ahead - *ahead_ : Nanos{0};
  const Nanos since = std::exchange(compared_at_, now);
  if (ahead_ && step < kNoise) return std::nullopt;
  ahead_ = ahead;
  if (step < kNoise) return std::nullopt;
  return SuspendEvent{.at = now, .since = since, .length = step};
}

}  // namespace tcpdwell
