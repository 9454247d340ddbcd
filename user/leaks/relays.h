// SPDX-License-Identifier: Apache-2.0
// Finds pairs of stuck sockets that are the two sides of a relay (HAProxy, socat): one process that
// forwards one peer's end of stream to another peer, and waits for that peer. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "model/record.h"

namespace tcpdwell {

// For each flag the index of the flag on the other side of the relay. A CLOSE_WAIT with all data
// read is paired with a FIN_WAIT_2 of the same process that did not begin before it:
//  - if what one side received is what the other side sent, in both directions, and enough that
//    this is no coincidence: however long the relay took to forward it;
//  - of the others, if it began right after. That can be coincidence, so most of these must have a
//    partner.
std::vector<std::optional<std::size_t>> find_relays(std::span<const FlagRecord> flags);

// For each flag whose other end belongs to a relay of this host: the index of the flag on the far
// side of that relay, whose peer has to close. `partners` is the result of find_relays(). The two
// ends can be in two network namespaces if no other socket has the same addresses and ports.
std::vector<std::optional<std::size_t>> find_behind_relays(
    std::span<const FlagRecord> flags, std::span<const std::optional<std::size_t>> partners);

}  // namespace tcpdwell
