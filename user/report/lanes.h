// SPDX-License-Identifier: Apache-2.0
// Puts lives into lanes so that no two of a lane overlap.
#pragma once

#include <cstddef>
#include <vector>

#include "report/lives.h"

namespace tcpdwell::reporting {

// The lives of each lane, in the order of time. `lives` must be in the order of their begins.
std::vector<std::vector<const Life*>> pack_lanes(const std::vector<const Life*>& lives);

}  // namespace tcpdwell::reporting
