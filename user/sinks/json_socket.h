// SPDX-License-Identifier: Apache-2.0
// The members of a line of JSON that many lines have in common: which socket it is about, whose
// that is, and its states. See json_line.h for the manner.
#pragma once

#include <optional>

#include "core/record.h"

namespace tcpdwell::json {

// From ,"cookie": to the value of "cgroup".
char* socket(char* to, const SocketInfo& info);
// An object, or null.
char* owner(char* to, const std::optional<Owner>& owner);
// ,"from": to the value of "to".
char* change(char* to, State before, State after);

}  // namespace tcpdwell::json
