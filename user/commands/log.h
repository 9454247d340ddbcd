// SPDX-License-Identifier: Apache-2.0
// Logs to stderr without blocking: stderr may be the same pipe as stdout, with a stalled reader.
#pragma once

namespace tcpdwell {

// Makes spdlog write to stderr, with the prefix "tcpdwell: ". Call it once. Drops a line that
// stderr does not take within a second.
void set_up_log(bool verbose);

}  // namespace tcpdwell
