// SPDX-License-Identifier: Apache-2.0
// The text output of `tcpdwell leaks`: a table of groups, worst first, each with an explanation and
// a next step; with --watch, also the growth of each group since the last round.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "leaks/leak_groups.h"
#include "leaks/leak_view.h"
#include "lifecycle/owned_flags.h"
#include "model/record.h"
#include "sinks/output.h"
#include "sinks/places.h"
#include "sinks/text_format.h"

namespace tcpdwell {

class LeakReport {
 public:
  LeakReport(Output& output, const TextStyle& style, const LeakView& view = {})
      : output_(output), style_(style), view_(view), clock_(style.time), places_(style.here) {}
  // Ignores cleared flags.
  void add(const FlagRecord& flag);
  // Writes the round and begins the next one. `watched`: all sockets in the states that can be
  // flagged, flagged or not.
  void print(const When& when, std::span<const WatchedState> watched);
  // The last round had a socket that makes the exit status 1.
  bool leaked() const { return leaked_; }

 private:
  // A group of the last round, or all groups together that differ only in the address of the peer
  // or in whether their ages are certain.
  struct Seen {
    std::size_t count = 0;
    std::string shown;  // its name in a "gone" line; empty: it was not printed as a group
    std::string wider_key;
  };
  using Memory = absl::flat_hash_map<std::string, Seen>;

  std::string growth(const LeakGroup& group, const Memory& now, Nanos elapsed) const;
  void write(const std::string& lines);
  void print_groups(std::vector<LeakGroup> groups, const Memory& now, Nanos elapsed);
  void print_gone(const Memory& now);
  void print_summary(const std::vector<LeakGroup>& groups, const When& when,
                     std::span<const WatchedState> watched);

  Output& output_;
  TextStyle style_;
  LeakView view_;
  OwnedFlags flags_;
  bool leaked_ = false;
  bool first_ = true;
  Nanos last_{};
  Memory memory_;
  TextClock clock_;
  Places places_;
};

}  // namespace tcpdwell
