// SPDX-License-Identifier: Apache-2.0
// The way out for what nobody handles: no memory, no thread. One line on stderr, and a status that
// was promised; never a crash.
#pragma once

namespace tcpdwell {

// Within a catch block: says what was thrown. Allocates nothing.
void tell_what_was_thrown() noexcept;
// What is thrown where nothing may be (std::terminate) ends the process with `Status`.
template <int Status>
void end_with_status();

}  // namespace tcpdwell
