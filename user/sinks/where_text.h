// SPDX-License-Identifier: Apache-2.0
// Lines of code as text: where the threads of the holders of a group are.
#pragma once

#include <string>
#include <vector>

#include "leaks/leak_groups.h"

namespace tcpdwell {

// Up to three frames of the program, nearest first: "handler (svc.py:9), main (svc.py:17)". Empty:
// none has a name.
std::string stack_text(const Stack& stack);
// A line for each place where threads of the holders wait, at most three. Empty: not asked for.
std::vector<std::string> where_lines(const LeakGroup& group);

}  // namespace tcpdwell
