// SPDX-License-Identifier: Apache-2.0
// Explains stuck sockets: one sentence with the facts, and one next step. Printable: names of
// processes and services are escaped.
#pragma once

#include <string>

#include "leaks/leak_groups.h"
#include "sinks/surroundings.h"

namespace tcpdwell {

struct Explanation {
  std::string what;
  std::string next;
};

// `alive`: the processes still exist. `here`: where the advice will be run; null: unknown.
Explanation explain(const LeakGroup& group, bool alive = true, const Surroundings* here = nullptr);

// "CLOSE_WAIT", or of an MPTCP socket "CLOSE_WAIT (MPTCP)"
std::string state_text(const LeakGroup& group);
// "eof_read", ... ; "-" for none.
std::string cause_text(Cause cause);
// Short, for a column: "python3[4711] +2" if each process holds each socket, "24× php-fpm8.2" if
// each holds some, "-" if none is known.
std::string holder_text(const LeakGroup& group);
// "10.0.0.2:80", "10.0.0.2", "214 addresses"
std::string peer_text(const LeakGroup& group);

}  // namespace tcpdwell
