// SPDX-License-Identifier: Apache-2.0
// --netns: which namespace that is now. From then on its cookie says, as its number and its path
// may soon be another one's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lifecycle/filter.h"
#include "kernel/programs.h"
#include "util/result.h"

namespace tcpdwell {

// The cookie of the namespace of `filter`, to which the programs keep from now on; nullopt: there
// is no such filter. `path`: that it was named by; empty: its number is all there is. Error: there
// is no such namespace, or none that can be found. Call it with all rights.
Result<std::optional<std::uint64_t>> keep_to_netns(const Programs& programs, const Filter& filter,
                                                   const std::string& path);

}  // namespace tcpdwell
