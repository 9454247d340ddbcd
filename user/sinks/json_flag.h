// SPDX-License-Identifier: Apache-2.0
// A flag as a JSON object; see json_line.h.
#pragma once

#include <cstddef>

#include "model/record.h"

namespace tcpdwell::json {

char* flag(char* to, const FlagRecord& record);
// Maximum size without its socket.
std::size_t room_for_flag(const FlagRecord& record);

}  // namespace tcpdwell::json
