// SPDX-License-Identifier: Apache-2.0
// Who started whom, as /proc says it now. Reads files: for a helper thread.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <optional>
#include <vector>

#include "core/event.h"

namespace tcpdwell {

// Of these processes, of their parents, and so on up to the first one of the pid namespace. What has
// ended is left out.
std::vector<Parent> parents_of(std::span<const std::uint32_t> pids);
// From the text of /proc/PID/stat: the command's name, which can be any bytes, is in parentheses.
std::optional<std::uint32_t> parent_in_stat(std::string_view text);

}  // namespace tcpdwell
