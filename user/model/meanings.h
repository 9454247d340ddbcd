// SPDX-License-Identifier: Apache-2.0
// What states and causes mean, in one sentence each.
#pragma once

#include <string_view>

#include "model/record.h"
#include "model/types.h"

namespace tcpdwell {

std::string_view meaning(State state);
std::string_view meaning(Cause cause);  // empty for None
// What the application, or whoever reads this, should do about it; empty for None.
std::string_view remedy(Cause cause);
// The flag that has this cause: "CLOSE_WAIT", "ACCEPT or CLOSE_WAIT", ...; empty for None.
std::string_view flag_of(Cause cause);

}  // namespace tcpdwell
