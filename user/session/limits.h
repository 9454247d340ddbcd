// SPDX-License-Identifier: Apache-2.0
// Resource limits of the process.
#pragma once

#include <cstddef>
#include <optional>

#include "util/result.h"

namespace tcpdwell {

constexpr std::size_t kDescriptorsOfATrace = 60;  // with all programs attached, and a recording
constexpr std::size_t kDescriptorsOfALook = 24;   // leaks
constexpr std::size_t kDescriptorsOfAReplay = 20;

// Sets our own stack size for later threads, and raises the descriptor limit to 1024 or the hard
// limit. Error: fewer than `needed` descriptors. Fork a command that must keep its limits before
// this.
std::optional<Error> settle_limits(std::size_t needed);

}  // namespace tcpdwell
