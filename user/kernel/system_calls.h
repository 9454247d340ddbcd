// SPDX-License-Identifier: Apache-2.0
// Names of the system calls in which a thread may wait.
#pragma once

#include <cstdint>
#include <string_view>

namespace tcpdwell {

struct SystemCall {
  std::string_view name;       // empty: not in the list
  bool on_descriptor = false;  // its first argument is the descriptor that it waits for
};
// By the number of this machine's native calls.
SystemCall find_system_call(std::int64_t number);

}  // namespace tcpdwell
