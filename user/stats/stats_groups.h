// SPDX-License-Identifier: Apache-2.0
// The books of `stats`: for each group and state what happened in this interval and in all.
// Bounded: where a new group would be one too many, the quarter that is least busy goes into
// `other`, and stays there; one that comes again begins anew.
#pragma once

#include <absl/container/node_hash_map.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "stats/histogram.h"
#include "model/types.h"

namespace tcpdwell {

struct StateBook {
  std::uint64_t entered = 0, left = 0, inexact = 0;
  std::uint64_t cleared = 0;  // flags
  Histogram dwells;

  bool is_empty() const { return entered + left + cleared == 0; }
  void merge(const StateBook& other);
  void clear();
};

struct Group {
  std::array<StateBook, kStates> interval, total;       // by State; total is without the interval
  std::array<std::uint64_t, kStates> now{}, flagged{};  // as of the last walk

  std::uint64_t busy_now() const;   // in the interval, and open
  std::uint64_t busy_ever() const;  // in all
  void merge(const Group& other);
};

class StatsGroups {
 public:
  static constexpr std::size_t kMost = 2048;

  // `key`: bytes that tell one group from another.
  Group& at(std::string_view key) {
    if (last_ != nullptr && key == last_key_) return *last_;
    return find(key);
  }
  // Before a walk: nothing is open, and there is room for groups of which nothing but that they are
  // there has been seen.
  void begin_walk();
  // The same as at(), but a new one that finds no room is in `other`: a walk sees all at once.
  Group& at_walk(std::string_view key);
  // The interval is over: it is part of the total.
  void end_interval();

  // look(key, group); `other` is not among them.
  template <typename Look>
  void for_each(Look&& look) const {
    for (const auto& [key, group] : groups_) look(key, group);
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
