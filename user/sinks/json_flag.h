// SPDX-License-Identifier: Apache-2.0
// A flag as an object of JSON. See json_line.h for the manner.
#pragma once

#include <cstddef>

#include "model/record.h"

namespace tcpdwell::json {

char* flag(char* to, const FlagRecord& record);
// How long it can get, beside its socket.
std::size_t room_for_flag(const FlagRecord& record);

}  // namespace tcpdwell::json
