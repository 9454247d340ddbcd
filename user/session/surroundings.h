// SPDX-License-Identifier: Apache-2.0
// Reads the environment in which the user will run the advice.
#pragma once

#include "sinks/surroundings.h"

namespace tcpdwell {

Surroundings read_surroundings();

}  // namespace tcpdwell
