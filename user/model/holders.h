// SPDX-License-Identifier: Apache-2.0
// Questions about the processes that hold a socket. Pure.
#pragma once

#include <vector>

#include "model/event.h"
#include "model/process_facts.h"
#include "model/record.h"

namespace tcpdwell {

// The only process that holds the socket. nullptr: no process, several, or one that is not visible
// in our pid namespace.
const Process* only_holder(const std::vector<Holder>& holders);
// `run`: true if one of the holders is a process of the command.
bool is_held_by_followed(const std::vector<Holder>& holders);
bool by_pid_and_fd(const Holder& a, const Holder& b);
// The holders with a pid in our pid namespace, sorted by pid and fd.
std::vector<Holder> visible_holders(const std::vector<Holder>& holders);

// Copies into the record the facts about each process that it names. `all` is sorted by pid.
void add_facts(const std::vector<ProcessFacts>& all, FlagRecord& record);

}  // namespace tcpdwell
