// SPDX-License-Identifier: Apache-2.0
// What leaks would print about one flag.
#pragma once

#include <string>

#include "sinks/explain.h"
#include "support/flags.h"

namespace tcpdwell::samples {

inline std::string what(const FlagRecord& flag) { return explain(group_of(flag)).what; }
inline std::string next(const FlagRecord& flag, const Surroundings* here = nullptr) {
  return explain(group_of(flag), true, here).next;
}

}  // namespace tcpdwell::samples
