// SPDX-License-Identifier: Apache-2.0
// `leaks --watch`: remembers the bounds on when each socket entered its state from one look to the
// next. A socket found in the same state in an earlier look is at least as old as that look.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <utility>

#include "lifecycle/state_begin.h"
#include "model/event.h"

namespace tcpdwell {

class StateMemory {
 public:
  // Begins a look. Drops the sockets that the previous look did not find.
  void begin_look() { before_ = std::exchange(now_, {}); }
  // Undoes begin_look() after an incomplete look.
  void drop_look() { now_ = std::exchange(before_, {}); }
  // `begin`: the bounds of this look for a socket. Returns the bounds of all looks together.
  StateBegin recall(const SnapshotEvent& found, StateBegin begin);

 private:
  // One state of one connection. The same socket can have another connection later.
  struct Seen {
    State state = State::Closed;
    std::uint16_t local_port = 0;
    Endpoint remote;
    StateBegin begin;
  };
  absl::flat_hash_map<std::uint64_t, Seen> before_, now_;  // by cookie
};

}  // namespace tcpdwell
