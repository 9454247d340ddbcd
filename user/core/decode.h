// SPDX-License-Identifier: Apache-2.0
// Ring record -> event. Copies and checks: what is malformed, of another version, or not a state of
// TCP is no event.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "core/event.h"

namespace tcpdwell {

// Into `event`, in place. False: it is none, and `event` may be anything.
bool decode(std::span<const std::byte> record, Event& event);
// Of what the walk through descriptors wrote.
std::optional<Holding> decode_holding(std::span<const std::byte> record);
// ... of what the walk through the sockets of a network namespace wrote of MPTCP.
std::optional<MptcpSubflow> decode_subflow(std::span<const std::byte> record);

}  // namespace tcpdwell
