// SPDX-License-Identifier: Apache-2.0
// Chooses which of the processes that hold a listener should accept its connections. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/event.h"

namespace tcpdwell {

// Returns the holders (pids) that are in `accepted`, which hold connections of the listener's port.
// If there are none: the holders that are no ancestor of another holder, since a master, or a
// manager that opened the listener for a service, leaves accept() to its children. `parents` must
// lead up from each holder, also over processes that are no holders. The result is sorted, without
// duplicates; empty only if `holders` is empty.
std::vector<std::uint32_t> choose_acceptors(std::span<const std::uint32_t> holders,
                                            std::span<const std::uint32_t> accepted,
                                            std::span<const Parent> parents);

}  // namespace tcpdwell
