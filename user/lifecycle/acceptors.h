// SPDX-License-Identifier: Apache-2.0
// Which of the processes that hold a listener should accept its connections. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

// Of `holders` (pids of the listener's holders) those that hold connections of its port, too: they
// accept. If there is none, those that are no ancestor of another holder: a master, or a manager
// that opened the listener for a service, leaves accept() to its children. `parents` leads from
// each holder up, also over processes that hold nothing. In order, each once; empty if `holders`
// is.
std::vector<std::uint32_t> choose_acceptors(std::span<const std::uint32_t> holders,
                                            std::span<const std::uint32_t> accepted,
                                            std::span<const Parent> parents);

}  // namespace tcpdwell
