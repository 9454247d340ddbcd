// SPDX-License-Identifier: Apache-2.0
// Keeps the flags of a run that are raised and not cleared, to report them at its end.
#pragma once

#include <map>
#include <string>

#include "lifecycle/owned_flags.h"
#include "model/record.h"

namespace tcpdwell {

// The same for a raised flag and the one that clears it, and for no other. Opaque.
std::string flag_key(const FlagRecord& flag);

// Passes start, loss and clock records on at once. Before the end record, it passes the flags that
// are still raised: with the age of then; the rest is as of when they were raised.
class OpenFlags final : public Sink {
 public:
  explicit OpenFlags(Sink& next) : next_(next) {}
  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override {
    return {.transitions = false, .connections = false, .whose = false};
  }
  // Those of the end record, in no order.
  const OwnedFlags& flags() const { return at_end_; }

 private:
  void add(const FlagRecord& flag);
  void pass(const When& now);

  Sink& next_;
  std::map<std::string, FlagRecord> raised_;  // by socket and kind of flag; without cgroup
  std::map<std::string, std::string> cgroups_;
  OwnedFlags at_end_;
};

}  // namespace tcpdwell
