// SPDX-License-Identifier: Apache-2.0
// `where` of a flag: the lines of code.
#pragma once

#include <cstddef>

#include "model/record.h"

namespace tcpdwell::json {

// ",\"where\":{...}", or nothing if the lines of code were not asked for.
char* where(char* out, const FlagRecord& record);
std::size_t room_for_where(const FlagRecord& record);

}  // namespace tcpdwell::json
