// SPDX-License-Identifier: Apache-2.0
// Explains descriptors whose connection is over (state CLOSED). Part of explain.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "leaks/leak_groups.h"

namespace tcpdwell {

// The group is of descriptors whose connection is over.
bool is_closed(const LeakGroup& group);

// "ECONNRESET"; "errno 200" for an error that ends no connection.
std::string errno_name(std::uint16_t error);

// `ago`: "2m10s ago"; `who_holds`: a clause; `unread`: "26 bytes". All printable.
std::string closed_text(const LeakGroup& group, std::string_view ago, std::string_view who_holds,
                        std::string_view unread);
// The same in the past tense.
std::string closed_in_the_past(const LeakGroup& group, std::string_view unread);
// `who`: the program; `strace`: ": strace ..." or nothing.
std::string closed_next_step(const LeakGroup& group, std::string_view who, std::string_view strace);

}  // namespace tcpdwell
