// SPDX-License-Identifier: Apache-2.0
// What we need of the process's limits, whatever it was started with.
#pragma once

#include <cstddef>
#include <optional>

#include "util/result.h"

namespace tcpdwell {

constexpr std::size_t kDescriptorsOfATrace = 60;  // with all that it can attach, and a recording
constexpr std::size_t kDescriptorsOfALook = 24;   // leaks
constexpr std::size_t kDescriptorsOfAReplay = 20;

// Stacks of a size of our own for all threads that are made later; as many descriptors as the hard
// limit allows, up to 1024. Error: so many as are `needed` cannot be opened. A command that is to
// keep its limits must have been forked before.
std::optional<Error> settle_limits(std::size_t needed);

}  // namespace tcpdwell
