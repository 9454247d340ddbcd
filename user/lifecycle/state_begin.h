// SPDX-License-Identifier: Apache-2.0
// When a socket that is older than the tracer entered its state, from what the kernel keeps of the
// past. Two bounds: neither is ever past the truth. Pure.
#pragma once

#include <optional>

#include "model/event.h"
#include "model/types.h"

namespace tcpdwell {

struct StateBegin {
  Nanos latest{};                 // it began no later
  std::optional<Nanos> earliest;  // ... and no earlier; nullopt: the kernel does not say

  // Both are so close together that their middle is as good as the time itself.
  bool is_exact() const;
  // What holds for both; where they contradict each other, this one as it is.
  StateBegin narrowed_by(const StateBegin& other) const;
  bool operator==(const StateBegin&) const = default;
};

// Of a full socket.
StateBegin begin_of_socket(const SnapshotEvent& event, unsigned hz);
// Of a minisock in TIME_WAIT or FIN_WAIT_2.
StateBegin begin_of_minisock(const SnapshotEvent& event, unsigned hz);

}  // namespace tcpdwell
