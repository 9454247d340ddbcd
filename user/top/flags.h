// SPDX-License-Identifier: Apache-2.0
// The stuck sockets: each from the time that its flag is raised until it is cleared, however long
// that takes.
#pragma once

#include <absl/container/node_hash_map.h>

#include <optional>
#include <string>
#include <vector>

#include "model/record.h"
#include "sinks/surroundings.h"
#include "top/look.h"
#include "top/match.h"

namespace tcpdwell::top {

class StuckSockets {
 public:
  // `here`: where the advice will be run; may be null.
  explicit StuckSockets(const Surroundings* here) : here_(here) {}

  void add(const FlagRecord& flag);
  std::size_t size() const { return flags_.size(); }
  // Puts those that match into `look`, with their ages as of `now`.
  void show(Nanos now, const Match& match, Look& look);
  // What `look.detail` says about its flag, if it has one. `key`: of the flag; empty: that of its
  // socket.
  void describe(Nanos now, const std::string& key, Detail& detail) const;

 private:
  struct Kept {
    FlagRecord flag;
    std::string cgroup;  // flag.socket.cgroup refers to it
  };
  const Kept* find(const std::string& key, const Detail& detail) const;
  Stuck stuck(LeakGroup group) const;

  const Surroundings* here_;
  absl::node_hash_map<std::string, Kept> flags_;  // by key_of()
};

}  // namespace tcpdwell::top
