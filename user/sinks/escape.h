// SPDX-License-Identifier: Apache-2.0
// Escapes bytes that come from other processes (comm, cgroup path).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tcpdwell {

// Writes a JSON string with its quotes; returns the end. Invalid UTF-8 becomes U+FFFD. Control,
// reordering and invisible characters become \uNNNN: equal for a parser, harmless on a terminal.
// `to` needs json_string_room() bytes.
char* write_json_string(char* to, std::string_view bytes);
constexpr std::size_t json_string_room(std::string_view bytes) { return 6 * bytes.size() + 2; }
// Appends to `out` for a terminal. Control characters (also C1), characters that reorder or break
// the line (bidi marks), invisible characters and invalid UTF-8 become \xNN.
void append_printable(std::string& out, std::string_view bytes);

}  // namespace tcpdwell
