// SPDX-License-Identifier: Apache-2.0
// The id of a tracepoint, which only tracefs has. If tracefs is not mounted, it is opened through a
// detached mount that no other process sees.
#pragma once

#include <optional>
#include <string>

namespace tcpdwell {

// `name`: "syscalls/sys_exit_accept4".
std::optional<int> tracepoint_id(const std::string& name);

}  // namespace tcpdwell
