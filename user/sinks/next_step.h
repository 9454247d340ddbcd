// SPDX-License-Identifier: Apache-2.0
// The next step for stuck sockets: one action, with its command.
#pragma once

#include <string>

#include "leaks/diagnosis.h"
#include "leaks/leak_groups.h"
#include "sinks/surroundings.h"

namespace tcpdwell {

// Printable. `here` may be null. `alive`: the processes still exist; otherwise the advice contains
// no command.
std::string next_step(const LeakGroup& group, const Diagnosis& diagnosis, const Surroundings* here,
                      bool alive = true);

}  // namespace tcpdwell
