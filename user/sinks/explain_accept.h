// SPDX-License-Identifier: Apache-2.0
// Explains connections that no process accepts. The holders are those of the listener, so no text
// here advises to close a descriptor.
#pragma once

#include <string>

#include "leaks/leak_groups.h"

namespace tcpdwell {

// A sentence. `alive`: the connections still wait.
std::string explain_accept(const LeakGroup& group, bool alive);
// "queue 3 of backlog 2: full"
std::string queue_text(const AcceptQueue& queue);

}  // namespace tcpdwell
