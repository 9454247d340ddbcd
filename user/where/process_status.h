// SPDX-License-Identifier: Apache-2.0
// What /proc says of a thread while it runs.
#pragma once

#include <cstdint>
#include <optional>

namespace tcpdwell {

struct ThreadStatus {
  std::uint64_t switches = 0;  // voluntary and not, since it began
  std::uint32_t own_tid = 0;   // in its own pid namespace
};

// nullopt: it is gone.
std::optional<ThreadStatus> read_status(std::uint32_t pid, std::uint32_t tid);

}  // namespace tcpdwell
