// SPDX-License-Identifier: Apache-2.0
// A feature that this host lacks. The run continues without it.
#pragma once

#include <string>

namespace tcpdwell {

struct Limitation {
  std::string what;    // "CAP_SYS_ADMIN is missing"
  std::string effect;  // what is lost
  std::string hint;    // what to do about it, a sentence without its full stop; empty: nothing
  std::string text() const {
    std::string line = what;
    line += ": " + effect;
    if (!hint.empty()) line += ". " + hint;
    return line;
  }
};

}  // namespace tcpdwell
