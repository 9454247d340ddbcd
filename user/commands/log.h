// SPDX-License-Identifier: Apache-2.0
// Lines for stderr, that never hold us up: it may be the pipe that stdout is, with a reader that
// stalls.
#pragma once

namespace tcpdwell {

// What spdlog is told goes to stderr, with "tcpdwell: " before it. Call it once. A line that stderr
// does not take within a second is dropped.
void set_up_log(bool verbose);

}  // namespace tcpdwell
