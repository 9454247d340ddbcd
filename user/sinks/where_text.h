// SPDX-License-Identifier: Apache-2.0
// Lines of code as text: where the sockets of a group were opened, where their end of stream was
// read, and where the threads of their holders are.
#pragma once

#include <string>
#include <vector>

#include "leaks/leak_groups.h"

namespace tcpdwell {

// Up to three frames of the program, nearest first: "handler (svc.py:9), main (svc.py:17)". Empty:
// none has a name.
std::string stack_text(const Stack& stack);
// Lines of both, and of at most three places where threads of the holders wait. Empty: not asked
// for, or nothing is known.
std::vector<std::string> where_lines(const LeakGroup& group);
// The one of them that tells most about the cause. Empty: there is none.
std::string main_where_line(const LeakGroup& group);

}  // namespace tcpdwell
