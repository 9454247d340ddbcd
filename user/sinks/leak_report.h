// SPDX-License-Identifier: Apache-2.0
// What `tcpdwell leaks` prints for people: a table of groups, worst first, each with what is wrong
// and what to do next; and with --watch how fast each group grows from round to round.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "lifecycle/owned_flags.h"
#include "leaks/leak_groups.h"
#include "model/record.h"
#include "sinks/output.h"
#include "sinks/text_format.h"

namespace tcpdwell {

class LeakReport {
 public:
  LeakReport(Output& output, const TextStyle& style) : output_(output), style_(style) {}
  // Cleared flags are no leaks: ignored.
  void add(const FlagRecord& flag);
  // Writes the round and begins the next one. `watched`: what there is in the states that may be
  // flagged, whether it is or not.
  void print(const When& when, std::span<const WatchedState> watched);
  // The last round that was printed had a socket that decides the exit status.
  bool leaked() const { return leaked_; }

 private:
  // A group of the last round, or what all groups that differ by the peer's address only make up.
  struct Seen {
    std::size_t count = 0;
    std::string shown;  // how "gone" names it; empty: was no group of its own
    std::string wider_key;
  };
  using Memory = absl::flat_hash_map<std::string, Seen>;

  std::string growth(const LeakGroup& group, Nanos elapsed) const;
  void print_groups(const std::vector<LeakGroup>& groups, Nanos elapsed);
  void print_gone(const Memory& now);
  void print_summary(const std::vector<LeakGroup>& groups, const When& when,
                     std::span<const WatchedState> watched);

  Output& output_;
  TextStyle style_;
  OwnedFlags flags_;
  bool leaked_ = false;
  bool first_ = true;
  Nanos last_{};
  Memory memory_;
  LocalClock clock_;
};

}  // namespace tcpdwell
