// SPDX-License-Identifier: Apache-2.0
// Ring record -> event. Copies and checks; nullopt for what is malformed, of another version, or
// not a state of TCP.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "core/event.h"

namespace tcpdwell {

std::optional<Event> decode(std::span<const std::byte> record);
// Of what the walk through descriptors wrote.
std::optional<Holding> decode_holding(std::span<const std::byte> record);

}  // namespace tcpdwell
