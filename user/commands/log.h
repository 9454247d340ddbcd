// SPDX-License-Identifier: Apache-2.0
// Logs to stderr without blocking: stderr may be the same pipe as stdout, with a stalled reader.
#pragma once

#include <string_view>

namespace tcpdwell {

// Makes spdlog write to stderr, with the prefix "tcpdwell: ". Call it once. Drops a line that
// stderr does not take within a second.
void set_up_log(bool verbose);

// Shows a line at the bottom of the terminal, instead of the last one, for a person who waits.
// Printable. No effect if stderr is not a terminal. A log line takes its place.
void show_progress(std::string_view text);
// Call it before something else is written to the terminal.
void clear_progress();

}  // namespace tcpdwell
