// SPDX-License-Identifier: Apache-2.0
// Scans of descriptors whose connection is over.
#pragma once

#include <vector>

#include "support/flag_story.h"

namespace tcpdwell::life_story {

// The descriptor of a connection that ended at `ended`, as a scan finds it.
inline DeadSocket held(const Story& story, const Conn& conn, Nanos ended,
                       std::uint32_t pid = kPid) {
  return {.cookie = conn.cookie(),
          .active = story.clock(ended),
          .active_exact = true,
          .flow = conn.flow(),
          .holders = {held_by(pid)}};
}

inline void walks(Story& story, Nanos at, std::vector<DeadSocket> sockets) {
  for (DeadSocket& socket : sockets) socket.at = story.clock(at);
  story.on(DeadEvent{.at = story.clock(at), .sockets = std::move(sockets)});
}

// When the next scan is due, from the beginning of the trace; nullopt: never.
inline std::optional<Nanos> look_due(Story& story) {
  const auto due = story.lifecycle().dead_walk_due();
  return due ? std::optional(*due - story.clock(0ms)) : std::nullopt;
}

}  // namespace tcpdwell::life_story
