// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/recent_closes.h"

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kExitTakes = 5s;  // at most, until all descriptors are closed

}  // namespace

void RecentCloses::closed(Judged judged, std::uint32_t pid) {
  closes_.push_back({std::move(judged), pid});
}

bool RecentCloses::is_exiting(std::uint32_t pid, Nanos at) const {
  return std::any_of(exits_.begin(), exits_.end(), [&](const Exit& exit) {
    return exit.pid == pid && at - exit.at < kExitTakes;
  });
}

void RecentCloses::note(const Longest& seen) {
  const auto same = [&](const Longest& longest) { return longest.state == seen.state; };
  const auto known = std::find_if(longest_.begin(), longest_.end(), same);
  if (known == longest_.end())
    longest_.push_back(seen);
  else if (known->dwell < seen.dwell)
    *known = seen;
}

}  // namespace tcpdwell
