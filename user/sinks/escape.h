// SPDX-License-Identifier: Apache-2.0
// Bytes of other processes (comm, cgroup path) made harmless. Both append to `out`.
#pragma once

#include <string>
#include <string_view>

namespace tcpdwell {

// As a JSON string, with its quotes. What is not UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view bytes);
// For a terminal: control characters (C1 too), what would reorder or break the line (bidi marks),
// and what is not UTF-8, as \xNN.
void append_printable(std::string& out, std::string_view bytes);

}  // namespace tcpdwell
