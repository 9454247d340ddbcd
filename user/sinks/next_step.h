// SPDX-License-Identifier: Apache-2.0
// What whoever reads about stuck sockets should do next: one step, with the command for it.
#pragma once

#include <string>

#include "core/leak_groups.h"

namespace tcpdwell {

// Printable. `alive`: its processes can still be looked at.
std::string next_step(const LeakGroup& group, bool alive);

}  // namespace tcpdwell
