// SPDX-License-Identifier: Apache-2.0
// What a network namespace counts about the queues of its listeners, all of them together.
#pragma once

#include <optional>
#include <string_view>

#include "model/event.h"

namespace tcpdwell {

// Of the namespace that the calling thread is in. nullopt: /proc does not say.
std::optional<ListenCounters> read_listen_counters();
// From the text of /proc/net/netstat: a line of names and a line of numbers, both after "TcpExt:".
std::optional<ListenCounters> listen_counters_in(std::string_view netstat);

}  // namespace tcpdwell
