// SPDX-License-Identifier: Apache-2.0
// What is wrong with stuck sockets, in words: one sentence with the facts, and one next step for
// whoever reads it. Printable: names of processes and services are escaped.
#pragma once

#include <string>

#include "leaks/leak_groups.h"
#include "sinks/surroundings.h"

namespace tcpdwell {

struct Explanation {
  std::string what;
  std::string next;
};

// `alive`: its processes can still be looked at. `here`: where the reader is; null: not known.
Explanation explain(const LeakGroup& group, bool alive = true, const Surroundings* here = nullptr);

// "CLOSE_WAIT", or of an MPTCP socket "CLOSE_WAIT (MPTCP)"
std::string state_text(const LeakGroup& group);
// "eof_read", ... ; "-" for none.
std::string cause_text(Cause cause);
// Short, for a column: "python3[4711] +2" where all of them hold each socket, "24× php-fpm8.2"
// where each holds some, "-"
std::string holder_text(const LeakGroup& group);
// "10.0.0.2:80", "10.0.0.2", "214 addresses"
std::string peer_text(const LeakGroup& group);

}  // namespace tcpdwell
