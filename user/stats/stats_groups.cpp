// SPDX-License-Identifier: Apache-2.0
#include "stats/stats_groups.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace tcpdwell {

void StateCounters::merge(const StateCounters& other) {
  entered += other.entered;
  left += other.left;
  inexact += other.inexact;
  cleared += other.cleared;
  dwells.merge(other.dwells);
}

void StateCounters::clear() {
  entered = left = inexact = cleared = 0;
  dwells.clear();
}

std::uint64_t Group::busy_now() const {
  std::uint64_t busy = 0;
  for (std::size_t i = 0; i < kStates; ++i)
    busy += interval[i].entered + interval[i].left + interval[i].cleared + now[i];
  return busy;
}

std::uint64_t Group::busy_ever() const {
  std::uint64_t busy = busy_now();
  for (const StateCounters& counters : total)
    busy += counters.entered + counters.left + counters.cleared;
  return busy;
}

void Group::merge(const Group& other) {
  for (std::size_t i = 0; i < kStates; ++i) {
    interval[i].merge(other.interval[i]);
    total[i].merge(other.total[i]);
    now[i] += other.now[i];
    flagged[i] += other.flagged[i];
  }
}

Group& StatsGroups::find(std::string_view key) {
  auto it = groups_.find(key);
  if (it == groups_.end()) {
    if (groups_.size() >= kMost) make_room();
    it = groups_.try_emplace(std::string(key)).first;
  }
  last_key_ = key;
  last_ = &it->second;
  return it->second;
}

Group& StatsGroups::at_walk(std::string_view key) {
  if (last_ != nullptr && key == last_key_) return *last_;
  return groups_.size() < kMost || groups_.contains(key) ? find(key) : other_;
}

// Equally busy groups are ordered by key, so that a replay drops the same ones.
void StatsGroups::make_room() {
  forget_last();
  std::vector<std::pair<std::uint64_t, std::string_view>> all;
  for (const auto& [key, group] : groups_) all.emplace_back(group.busy_ever(), key);
  const auto quarter = all.begin() + kMost / 4;
  std::nth_element(all.begin(), quarter, all.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  });
  for (auto least = all.begin(); least != quarter; ++least) {
    const auto it = groups_.find(least->second);
    other_.merge(it->second);
    groups_.erase(it);
  }
}

void StatsGroups::begin_walk() {
  if (groups_.size() >= kMost) make_room();
  const auto empty = [](Group& group) {
    group.now = {};
    group.flagged = {};
  };
  for (auto& entry : groups_) empty(entry.second);
  empty(other_);
}

void StatsGroups::end_interval() {
  const auto close = [](Group& group) {
    for (std::size_t i = 0; i < kStates; ++i) {
      if (!group.interval[i].is_empty()) group.total[i].merge(group.interval[i]);
      group.interval[i].clear();
    }
  };
  for (auto& entry : groups_) close(entry.second);
  close(other_);
}

}  // namespace tcpdwell
