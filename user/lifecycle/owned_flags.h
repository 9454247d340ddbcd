// SPDX-License-Identifier: Apache-2.0
// Keeps FlagRecords beyond Sink::write(), with copies of the texts that they refer to.
#pragma once

#include <absl/container/node_hash_set.h>

#include <string>
#include <vector>

#include "model/record.h"

namespace tcpdwell {

class OwnedFlags {
 public:
  void add(const FlagRecord& flag) { flags_.push_back(kept(flag)); }
  void replace(std::size_t entry, const FlagRecord& flag) { flags_[entry] = kept(flag); }
  void clear() {
    flags_.clear();
    cgroups_.clear();
  }
  const std::vector<FlagRecord>& all() const { return flags_; }
  FlagRecord& operator[](std::size_t entry) { return flags_[entry]; }
  const FlagRecord& operator[](std::size_t entry) const { return flags_[entry]; }
  std::size_t size() const { return flags_.size(); }

 private:
  FlagRecord kept(FlagRecord flag) {
    flag.socket.cgroup = *cgroups_.emplace(flag.socket.cgroup).first;
    return flag;
  }

  absl::node_hash_set<std::string> cgroups_;
  std::vector<FlagRecord> flags_;
};

}  // namespace tcpdwell
