// SPDX-License-Identifier: Apache-2.0
// Resolves --netns to a cookie, because its number and its path may soon refer to another
// namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernel/programs.h"
#include "lifecycle/filter.h"
#include "util/result.h"

namespace tcpdwell {

// Limits the programs to the namespace of `filter` and returns its cookie; nullopt: `filter` has
// none. `path`: as given; empty: given by number. Error: there is no such namespace, or it cannot
// be found. Call it before capabilities are dropped.
Result<std::optional<std::uint64_t>> keep_to_netns(const Programs& programs, const Filter& filter,
                                                   const std::string& path);

}  // namespace tcpdwell
