// SPDX-License-Identifier: Apache-2.0
// `run`: whether what was stuck was left behind by its process or closed by it, and how near any
// socket came to a threshold. What a process closes just before it exits, its runtime closes: that
// shows only when the exit follows. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "model/record.h"

namespace tcpdwell {

class RunBook {
 public:
  struct Judged {
    FlagRecord flag;  // with its socket, but for the cgroup
    std::uint64_t cgroup_id = 0;
    Nanos at{};
  };

  // `pid` closed it at `judged.at`, and may be about to exit.
  void closed(Judged judged, std::uint32_t pid);
  // Calls tell(Judged) for each that `pid` closed less than `grace` before it exits, at `at`.
  template <typename Tell>
  void exits(std::uint32_t pid, Nanos at, Nanos grace, Tell&& tell) {
    exits_.push_back({pid, at});
    if (exits_.size() > kMostExits) exits_.pop_front();
    std::deque<Close> others;
    for (Close& close : closes_) {
      if (close.pid != pid || at - close.judged.at >= grace) {
        others.push_back(std::move(close));
        continue;
      }
      close.judged.flag.by_exit = true;
      close.judged.flag.before_exit = at - close.judged.at;
      tell(close.judged);
    }
    closes_ = std::move(others);
  }
  // ... for each whose process lived on for longer than that: it is slow.
  template <typename Tell>
  void resolve(Nanos before, Tell&& tell) {
    while (!closes_.empty() && closes_.front().judged.at < before) {
      closes_.front().judged.flag.slow = true;
      tell(closes_.front().judged);
      closes_.pop_front();
    }
  }
  // The exit of `pid` was seen a moment before `at`: what it still holds is being closed.
  bool is_exiting(std::uint32_t pid, Nanos at) const;

  // It was in the state of `seen` for so long.
  void note(const Longest& seen);
  const std::vector<Longest>& longest() const { return longest_; }

 private:
  struct Close {
    Judged judged;
    std::uint32_t pid;
  };
  std::deque<Close> closes_;  // in the order of their time
  struct Exit {
    std::uint32_t pid;
    Nanos at;
  };
  static constexpr std::size_t kMostExits = 256;
  std::deque<Exit> exits_;        // the last ones
  std::vector<Longest> longest_;  // one for each state
};

}  // namespace tcpdwell
