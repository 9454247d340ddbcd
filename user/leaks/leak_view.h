// SPDX-License-Identifier: Apache-2.0
// What `leaks` prints of the groups that it found, and which of them decide its exit status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "leaks/leak_groups.h"

namespace tcpdwell {

enum class LeakOrder : std::uint8_t { Count, Age };

struct LeakView {
  LeakOrder order = LeakOrder::Count;
  std::size_t most = 0;  // groups; 0: all
};

// Orders groups that are stuck for certain by age, if asked for, and drops those beyond `most`.
// Returns how many groups and sockets it dropped.
struct LeftOut {
  std::size_t groups = 0, sockets = 0;
};
LeftOut arrange(std::vector<LeakGroup>& groups, const LeakView& view);

struct LeakLimits {
  std::uint64_t count = 1;       // stuck sockets
  std::optional<double> growth;  // sockets a minute, of a group; nullopt: any stuck socket counts
};

// Decides the exit status of `leaks` from its scans. Counts only sockets for which is_leak() holds.
//
// Without a limit of growth, by the last scan: there are at least `count` of them. With it, by the
// first and the last scan: a group has at least `count` sockets, and their number has grown by that
// limit or more, divided by the time between the two. A group here is all sockets with equal
// holders, state, cause and port, whatever their peers; one that the first scan did not have began
// with 0. Sockets that were of unknown age before are no growth: the number with them must have
// grown as much.
class LeakVerdict {
 public:
  explicit LeakVerdict(const LeakLimits& limits) : limits_(limits) {}
  void scanned(Nanos at, std::span<const FlagRecord> flags);
  bool failed() const { return failed_; }

 private:
  struct Counts {
    std::size_t certain = 0, all = 0;  // all: also those of unknown age
  };
  using Groups = std::map<std::string, Counts>;  // by without_age(wider_key)

  LeakLimits limits_;
  std::optional<Nanos> first_at_;
  Groups first_;
  bool failed_ = false;
};

}  // namespace tcpdwell
