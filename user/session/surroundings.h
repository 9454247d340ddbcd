// SPDX-License-Identifier: Apache-2.0
// Reads where we are, for advice that can be run here.
#pragma once

#include "sinks/surroundings.h"

namespace tcpdwell {

Surroundings read_surroundings();

}  // namespace tcpdwell
