// SPDX-License-Identifier: Apache-2.0
// What follows from who holds a socket. Pure.
#pragma once

#include <vector>

#include "model/event.h"
#include "model/process_facts.h"
#include "model/record.h"

namespace tcpdwell {

// The only process that holds it; nullptr: nobody, several, or one that is not visible here.
const Process* only_holder(const std::vector<Holder>& holders);
// `run`: one of them is a process of the command.
bool is_held_by_followed(const std::vector<Holder>& holders);
bool by_pid_and_fd(const Holder& a, const Holder& b);
// By pid and fd.
std::vector<Holder> visible_holders(const std::vector<Holder>& holders);

// What is known of the processes that the record names. `all`: by pid.
void add_facts(const std::vector<ProcessFacts>& all, FlagRecord& record);

}  // namespace tcpdwell
