// SPDX-License-Identifier: Apache-2.0
// Bytes of other processes (comm, cgroup path) made harmless.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tcpdwell {

// As a JSON string, with its quotes. What is not UTF-8 becomes U+FFFD; controls and what reorders
// text or cannot be seen is \uNNNN, so the text is the same for a parser and harmless on a
// terminal. There is room for json_string_room() of them; returns the end.
char* write_json_string(char* to, std::string_view bytes);
constexpr std::size_t json_string_room(std::string_view bytes) { return 6 * bytes.size() + 2; }
// Appended to `out`, for a terminal: control characters (C1 too), what would reorder or break the
// line (bidi marks), what cannot be seen, and what is not UTF-8, as \xNN.
void append_printable(std::string& out, std::string_view bytes);

}  // namespace tcpdwell
