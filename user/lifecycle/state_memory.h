// SPDX-License-Identifier: Apache-2.0
// `leaks --watch`: what one look found out about when each socket entered its state, for the next.
// A socket that was in its state in an earlier look is at least as old as that look.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <utility>

#include "model/event.h"
#include "lifecycle/state_begin.h"

namespace tcpdwell {

class StateMemory {
 public:
  // A look begins; what the one before did not see is forgotten.
  void begin_look() { before_ = std::exchange(now_, {}); }
  // ... and was not completed: the one before it still counts.
  void drop_look() { now_ = std::exchange(before_, {}); }
  // `begin` is what this look knows of a socket that it found; returns what all looks know.
  StateBegin recall(const SnapshotEvent& found, StateBegin begin);

 private:
  // Of one state of one connection: a socket can be used for another one later.
  struct Seen {
    State state = State::Closed;
    std::uint16_t local_port = 0;
    Endpoint remote;
    StateBegin begin;
  };
  absl::flat_hash_map<std::uint64_t, Seen> before_, now_;  // by cookie
};

}  // namespace tcpdwell
