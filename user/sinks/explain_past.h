// SPDX-License-Identifier: Apache-2.0
// Explains stuck sockets whose processes may be gone, as in the report of `run`. And phrases that
// all explanations share.
#pragma once

#include <string>

#include "leaks/leak_groups.h"

namespace tcpdwell {

// The results are printable.
std::string in_the_past(const LeakGroup& group);
std::string next_step_in_the_past(const LeakGroup& group);

// "2m10s", "at least 2m10s", "about 2m10s"
std::string age_text(const Dwell& dwell);
// "in CLOSE_WAIT for 3.2s"
std::string how_long(const LeakGroup& group);
// "4,096 bytes", "data" if the size is unknown
std::string size_text(const std::optional<std::uint64_t>& bytes);

}  // namespace tcpdwell
