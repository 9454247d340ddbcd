// SPDX-License-Identifier: Apache-2.0
// Estimates when a socket that is older than the tracer entered its state, from kernel fields. The
// result is two bounds that always include the true time. Pure.
#pragma once

#include <optional>

#include "model/event.h"
#include "model/types.h"

namespace tcpdwell {

struct StateBegin {
  Nanos latest{};                 // upper bound
  std::optional<Nanos> earliest;  // lower bound; nullopt: the kernel does not tell

  // The bounds are so close together that their middle can be used as the time.
  bool is_exact() const;
  // The intersection of both. Returns *this if they contradict each other.
  StateBegin narrowed_by(const StateBegin& other) const;
  bool operator==(const StateBegin&) const = default;
};

// For a full socket.
StateBegin begin_of_socket(const SnapshotEvent& event, unsigned hz);
// For a minisock in TIME_WAIT or FIN_WAIT_2.
StateBegin begin_of_minisock(const SnapshotEvent& event, unsigned hz);

}  // namespace tcpdwell
