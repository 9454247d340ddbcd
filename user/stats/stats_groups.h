// SPDX-License-Identifier: Apache-2.0
// The counters of `stats`: for each group and state, in this interval and in total. Bounded: if a
// new group does not fit, the least busy quarter of the groups is merged into `other`. A merged
// group that returns starts from zero.
#pragma once

#include <absl/container/node_hash_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "model/types.h"
#include "stats/histogram.h"

namespace tcpdwell {

struct StateCounters {
  std::uint64_t entered = 0, left = 0, inexact = 0;
  std::uint64_t cleared = 0;  // flags
  Histogram dwells;

  bool is_empty() const { return entered + left + cleared == 0; }
  void merge(const StateCounters& other);
  void clear();
};

struct Group {
  std::array<StateCounters, kStates> interval, total;   // by State; total excludes the interval
  std::array<std::uint64_t, kStates> now{}, flagged{};  // as of the last walk

  std::uint64_t busy_now() const;   // events of the interval, plus open connections
  std::uint64_t busy_ever() const;  // busy_now(), plus events of earlier intervals
  void merge(const Group& other);
};

class StatsGroups {
 public:
  static constexpr std::size_t kMost = 2048;

  // The group of `key` (see GroupKey); created if new.
  Group& at(std::string_view key) {
    if (last_ != nullptr && key == last_key_) return *last_;
    return find(key);
  }
  // Call it before a walk. Resets the numbers of open connections, and makes room for groups that
  // only the walk finds.
  void begin_walk();
  // Like at(), but uses `other` for a new group that does not fit: a walk can meet any number of
  // groups.
  Group& at_walk(std::string_view key);
  // Adds the counters of the interval to the total, and clears them.
  void end_interval();

  // Calls visit(key, group) for each group except `other`.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [key, group] : groups_) visit(key, group);
  }
  const Group& other() const { return other_; }
  std::size_t size() const { return groups_.size(); }

 private:
  Group& find(std::string_view key);
  void make_room();
  void forget_last() { last_ = nullptr; }

  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>{}(key);
    }
  };
  absl::node_hash_map<std::string, Group, KeyHash, std::equal_to<>> groups_;
  Group other_;
  std::string last_key_;
  Group* last_ = nullptr;
};

}  // namespace tcpdwell
