// SPDX-License-Identifier: Apache-2.0
// The listeners of the calling thread's network namespace, with their accept queues.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/types.h"

namespace tcpdwell {

struct ListedListener {
  std::uint64_t cookie = 0;
  Family family = Family::Ipv4;
  Endpoint local;
  std::uint32_t length = 0, backlog = 0;  // full at backlog + 1
  std::uint32_t syns_dropped = 0;         // since listen()
};

// nullopt: the list is incomplete. Takes tens of microseconds, whatever the number of connections.
std::optional<std::vector<ListedListener>> list_listeners();

}  // namespace tcpdwell
