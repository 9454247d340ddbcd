// SPDX-License-Identifier: Apache-2.0
// What is wrong with connections that nobody accepts, in words. The listener's descriptor is none
// of theirs: nothing here says that anybody should close it.
#pragma once

#include <string>

#include "leaks/leak_groups.h"

namespace tcpdwell {

// A sentence. `alive`: it is so now.
std::string explain_accept(const LeakGroup& group, bool alive);
// "queue 3 of backlog 2: full"
std::string queue_text(const AcceptQueue& queue);

}  // namespace tcpdwell
