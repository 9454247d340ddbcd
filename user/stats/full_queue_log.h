// SPDX-License-Identifier: Apache-2.0
// The listeners whose accept queue was full at one walk, in an interval of `stats` and in the run.
// Walks take samples: a queue that was full between two of them only is not seen. Bounded.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "model/full_queue.h"

namespace tcpdwell {

class FullQueueLog {
 public:
  static constexpr std::size_t kMost = 1024;  // listeners

  // Ignores a walk that it has seen.
  void see(const FullQueues& walk);
  // At most `rows` listeners as of the last walk that found them full: first those that dropped the
  // most SYNs. nullopt: there was no walk in the interval; with `total`, in the run.
  std::optional<std::vector<FullQueue>> all(std::size_t rows, bool total) const;
  void end_interval() { now_ = {}; }

 private:
  struct Seen {
    bool walked = false;
    absl::flat_hash_map<std::uint64_t, FullQueue> queues;  // by cookie
  };
  std::optional<Nanos> seen_until_;
  Seen now_, ever_;
};

}  // namespace tcpdwell
