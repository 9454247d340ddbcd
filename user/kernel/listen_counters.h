// SPDX-License-Identifier: Apache-2.0
// The counters of a network namespace for the queues of all its listeners.
#pragma once

#include <optional>
#include <string_view>

#include "model/event.h"

namespace tcpdwell {

// Reads the namespace of the calling thread. nullopt: /proc does not have them.
std::optional<ListenCounters> read_listen_counters();
// From the text of /proc/net/netstat: a line of names and a line of numbers, both after "TcpExt:".
std::optional<ListenCounters> listen_counters_in(std::string_view netstat);

}  // namespace tcpdwell
