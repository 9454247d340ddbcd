// SPDX-License-Identifier: Apache-2.0
// Counts connect() calls that failed before a packet left, by process, reason and destination.
// Bounded: if there are more than kMost kinds, destinations are merged first, then processes with
// the same comm, then all processes.
#pragma once

#include <cstddef>
#include <vector>

#include "model/record.h"

namespace tcpdwell {

class FailedConnects {
 public:
  static constexpr std::size_t kMost = 64;

  // Adds `failed.count` calls. The entry keeps the latest `when`.
  void add(FailedConnectsRecord failed);
  bool empty() const { return all_.empty(); }
  // Sorted, most calls first.
  std::vector<FailedConnectsRecord> all() const;
  std::vector<FailedConnectsRecord> take();
  void clear();

 private:
  enum class Detail { All, NoDestinations, NamesOnly, ReasonsOnly };
  void strip(FailedConnectsRecord& failed) const;
  void put(const FailedConnectsRecord& failed);

  std::vector<FailedConnectsRecord> all_;
  Detail detail_ = Detail::All;
};

}  // namespace tcpdwell
