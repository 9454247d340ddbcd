// SPDX-License-Identifier: Apache-2.0
// Drops capabilities once everything is attached.
#pragma once

#include "kernel/programs.h"
#include "kernel/rights.h"
#include "lifecycle/filter.h"

namespace tcpdwell {

// True unless the run is limited to our own network namespace.
bool looks_elsewhere(const Filter& filter);

// Logs each limitation of this host in one line, and drops every capability that `needs` do not
// need; returns the needs on this kernel. Call it once everything is attached and before any other
// thread exists: capabilities belong to a thread.
Result<NeededRights> drop_unneeded_rights(const Programs& programs, NeededRights needs);

}  // namespace tcpdwell
