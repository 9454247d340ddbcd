// SPDX-License-Identifier: Apache-2.0
// How groups of stuck sockets grew: for each group, how many sockets entered the state, passed the
// threshold, and left. A group here is all sockets with equal holders, state, cause and port,
// whatever their peers.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "leaks/leak_groups.h"
#include "model/record.h"
#include "report/time_axis.h"

namespace tcpdwell::reporting {

// The key of the curve of a group.
inline std::string curve_key(const LeakGroup& group) { return without_age(group.wider_key); }

struct StuckCurve {
  LeakGroup example;  // of its first flag
  std::string key, cgroup;
  Nanos threshold{};
  std::uint64_t raised = 0, open = 0, most = 0;  // most: at once
  std::uint64_t before = 0;                      // that entered the state before the axis began
  Nanos first_entered{}, last_raised{}, last_cleared{};
  Sums entered, passed, left;
};

class StuckCurves {
 public:
  static constexpr std::size_t kMost = 256;
  void add(const FlagRecord& flag, TimeAxis& axis);
  // Flags that are still raised stay.
  void begin_at(const TimeAxis& axis);
  std::vector<StuckCurve>& all() { return curves_; }
  std::uint64_t left_out() const { return left_out_; }  // flags of groups beyond kMost

 private:
  struct Raised {
    std::size_t curve = 0;
    Nanos since{}, at{};
  };
  std::vector<StuckCurve> curves_;
  absl::flat_hash_map<std::string, std::size_t> by_key_;
  absl::flat_hash_map<std::string, Raised> raised_;  // by flag_key()
  std::uint64_t left_out_ = 0;
};

}  // namespace tcpdwell::reporting
