// SPDX-License-Identifier: Apache-2.0
// What a command keeps of its capabilities once everything is attached.
#pragma once

#include "lifecycle/filter.h"
#include "kernel/programs.h"
#include "kernel/rights.h"

namespace tcpdwell {

// `filter` names only the network namespace that we are in, or it does not.
bool looks_elsewhere(const Filter& filter);

// Says what this host does not give, in one line each, and gives up every right that `promises` do
// not need; returns them as this kernel has them. Call it when everything is attached, and before
// there is another thread: capabilities are a thread's own.
Result<NeededRights> drop_unneeded_rights(const Programs& programs, NeededRights promises);

}  // namespace tcpdwell
