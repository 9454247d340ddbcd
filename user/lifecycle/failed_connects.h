// SPDX-License-Identifier: Apache-2.0
// connect() calls that failed before a packet left, by process, reason and destination, until
// somebody takes them. Bounded: where there would be more than kMost to be told apart, destinations
// are put together, then processes of one name, then all.
#pragma once

#include <cstddef>
#include <vector>

#include "model/record.h"

namespace tcpdwell {

class FailedConnects {
 public:
  static constexpr std::size_t kMost = 64;

  // Also several at once. `when` is kept as it is: the latest counts.
  void add(FailedConnectsRecord failed);
  bool empty() const { return all_.empty(); }
  // Those of the most calls first.
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
