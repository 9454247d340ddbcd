// SPDX-License-Identifier: Apache-2.0
// When the next walk through all sockets is due. Pure.
//
// A kernel that has hidden one event hides others. If no later event corrects the table, only a
// walk does. So walks are frequent after a hidden event, and become rare when no more are noticed.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "model/types.h"
#include "session/cpu_share.h"

namespace tcpdwell {

class WalkSchedule {
 public:
  // `total`: hidden events that later events have proved so far.
  void note_unseen(std::uint64_t total, Nanos now) {
    if (total == unseen_) return;
    unseen_at_ = now;
    unseen_ = total;
    pause_ = kPause;
  }
  // A walk begins. It makes the pauses longer if no event was hidden for a while.
  void begins(Nanos now) {
    began_ = now;
    if (pause_ && now > unseen_at_ + kDense) pause_ = std::min(2 * *pause_, kMostPause);
  }
  // The walk that began last has ended, and took this CPU time.
  void ended(Nanos cost) { cost_ = cost; }
  // `wanted`: the table or a caller asks for a walk.
  bool due(Nanos now, bool wanted) const {
    std::optional<Nanos> pause = pause_;
    if (wanted) pause = std::min(pause.value_or(kMostWait), kMostWait);
    return pause && now >= began_ + std::max(kShares * cost_, *pause);
  }

 private:
  static constexpr Nanos kPause = std::chrono::milliseconds(400);  // after a hidden event
  static constexpr Nanos kDense = std::chrono::seconds(30);        // for so long
  static constexpr Nanos kMostPause = std::chrono::seconds(30);

  Nanos began_{-1};
  Nanos cost_{};
  std::uint64_t unseen_ = 0;
  Nanos unseen_at_{};
  std::optional<Nanos> pause_;  // nullopt: no event was hidden
};

}  // namespace tcpdwell
