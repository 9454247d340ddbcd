// SPDX-License-Identifier: Apache-2.0
// Which stuck sockets are the two sides of a relay (HAProxy, ssh, socat): one process that hands
// the end of stream of one peer on to another, and waits for that one. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "model/record.h"

namespace tcpdwell {

// For each flag the index of the one on the other side of the relay. A CLOSE_WAIT where all is read
// belongs to a FIN_WAIT_2 of the same process that began right after it; and that only where nearly
// all such sockets of the process have a partner: else it is chance.
std::vector<std::optional<std::size_t>> find_relays(std::span<const FlagRecord> flags);

// For each flag whose other end is a relay's, too: the index of the flag on the far side of that
// relay, whose peer has to close. `partners` is what find_relays() returned.
std::vector<std::optional<std::size_t>> find_behind_relays(
    std::span<const FlagRecord> flags, std::span<const std::optional<std::size_t>> partners);

}  // namespace tcpdwell
