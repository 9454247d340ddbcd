// SPDX-License-Identifier: Apache-2.0
// `run`: the stuck sockets that processes closed a moment ago, until it is clear whether they exit,
// and the longest dwells. Sockets closed shortly before the exit were closed by the runtime; only
// the exit shows that. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "model/record.h"

namespace tcpdwell {

class RecentCloses {
 public:
  struct Judged {
    FlagRecord flag;  // without the socket's cgroup path
    std::uint64_t cgroup_id = 0;
    Nanos at{};
  };

  // `pid` closed a stuck socket at `judged.at`, and may be about to exit.
  void closed(Judged judged, std::uint32_t pid);
  // `pid` exits at `at`. Calls tell(Judged) for each socket that it closed less than `grace`
  // before.
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
  // Calls tell(Judged) for each socket closed earlier than `before`, whose process did not exit
  // soon after: it was slow, not leaked.
  template <typename Tell>
  void resolve(Nanos before, Tell&& tell) {
    while (!closes_.empty() && closes_.front().judged.at < before) {
      closes_.front().judged.flag.slow = true;
      tell(closes_.front().judged);
      closes_.pop_front();
    }
  }
  // True if `pid` began to exit shortly before `at`: the kernel is closing its descriptors.
  bool is_exiting(std::uint32_t pid, Nanos at) const;

  // Keeps `seen` if its dwell is the longest so far in its state.
  void note(const Longest& seen);
  const std::vector<Longest>& longest() const { return longest_; }

 private:
  struct Close {
    Judged judged;
    std::uint32_t pid;
  };
  std::deque<Close> closes_;  // ordered by time
  struct Exit {
    std::uint32_t pid;
    Nanos at;
  };
  static constexpr std::size_t kMostExits = 256;
  std::deque<Exit> exits_;        // the last ones
  std::vector<Longest> longest_;  // one for each state
};

}  // namespace tcpdwell
