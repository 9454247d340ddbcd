// SPDX-License-Identifier: Apache-2.0
// Who made a stuck socket, if others hold it now. Pure.
#pragma once

#include <cstdint>

#include "model/record.h"

namespace tcpdwell {

// Of a process of the flag; nullptr: not read.
const ProcessFacts* facts_of(const FlagRecord& flag, std::uint32_t pid);

// The process that made the socket, if only other processes hold it now. nullptr: a holder made it,
// or that is not known. It is a part of `flag`.
const Process* maker_of(const FlagRecord& flag);

// True if no holder can have inherited it from the maker, which is no ancestor: it was passed over
// a unix socket. A holder whose parent is init may have lost the one that it descends from.
// `maker` is the result of maker_of().
bool was_passed(const FlagRecord& flag, const Process& maker);

}  // namespace tcpdwell
