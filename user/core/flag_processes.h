// SPDX-License-Identifier: Apache-2.0
// The processes that a flag names, and what is known of them.
#pragma once

#include <vector>

#include "core/record.h"

namespace tcpdwell {

bool by_pid_and_fd(const Holder& a, const Holder& b);
// Of `all`, which is by pid, what is about the holders of the record and its other end.
void add_facts(const std::vector<ProcessFacts>& all, FlagRecord& record);

}  // namespace tcpdwell
