// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/types.h"

namespace tcpdwell {

// A listener whose accept queue was full: its kernel drops SYNs and the last ACKs of handshakes.
struct FullQueue {
  std::uint64_t listener = 0;             // its cookie
  Flow flow;                              // the remote end is zero
  std::uint32_t length = 0, backlog = 0;  // full at backlog + 1
  std::uint32_t syns_dropped = 0;         // at this listener, since listen()
};

// The full queues that a walk through all accept queues found.
struct FullQueues {
  std::optional<Nanos> at;  // of the last walk; nullopt: there was none
  std::vector<FullQueue> queues;
};

}  // namespace tcpdwell
