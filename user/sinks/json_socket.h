// SPDX-License-Identifier: Apache-2.0
// The members of a line of JSON that many lines have in common: which socket it is about, whose
// that is, and its states. See json_line.h for the manner.
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

// Between the members of an object whose first one is not known beforehand.
struct Separator {
  bool first = true;
  char* put(char* out) {
    if (!first) *out++ = ',';
    first = false;
    return out;
  }
};

}  // namespace tcpdwell::json
