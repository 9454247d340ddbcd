// SPDX-License-Identifier: Apache-2.0
// JSON members that many lines share: the socket, its owner and its states; see json_line.h.
#pragma once

#include <optional>

#include "model/record.h"

namespace tcpdwell::json {

// From ,"cookie": to the value of "cgroup".
char* socket(char* to, const SocketInfo& info);
// An object, or null.
char* owner(char* to, const std::optional<Owner>& owner);
// ,"from": to the value of "to".
char* change(char* to, State before, State after);

// "2026-…Z","mono_ns":N: after "time":" .
char* head(char* to, const When& when);
char* error(char* to, const std::optional<Nanos>& error);
char* count_or_null(char* to, const std::optional<std::uint64_t>& count);
// "name":
char* quoted_key(char* to, std::string_view name);

// Separates members of an object whose first member is not fixed.
struct Separator {
  bool first = true;
  char* put(char* out) {
    if (!first) *out++ = ',';
    first = false;
    return out;
  }
};

}  // namespace tcpdwell::json
