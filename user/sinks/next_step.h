// SPDX-License-Identifier: Apache-2.0
// What whoever reads about stuck sockets should do next: one step, with the command for it.
#pragma once

#include <string>

#include "leaks/diagnosis.h"
#include "leaks/leak_groups.h"
#include "sinks/surroundings.h"

namespace tcpdwell {

// Printable. `here` may be null. `alive`: its processes can still be looked at; else no command is
// told.
std::string next_step(const LeakGroup& group, const Diagnosis& diagnosis, const Surroundings* here,
                      bool alive = true);

}  // namespace tcpdwell
