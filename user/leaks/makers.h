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

// Whether the holders can have inherited the socket from its maker.
enum class Descent : std::uint8_t {
  Child,     // a holder descends from the maker
  Stranger,  // none does: it was passed over a unix socket (SCM_RIGHTS)
  Unknown    // the parent of a holder is init, perhaps because another one has ended, or not known
};
// `maker` is the result of maker_of().
Descent descent_from(const FlagRecord& flag, const Process& maker);

}  // namespace tcpdwell
