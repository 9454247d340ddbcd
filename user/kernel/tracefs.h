// SPDX-License-Identifier: Apache-2.0
// The id of a tracepoint, which the kernel tells in tracefs only. Where tracefs is not mounted it
// is opened without a mount that anybody else could see.
#pragma once

#include <optional>
#include <string>

namespace tcpdwell {

// `name`: "syscalls/sys_exit_accept4".
std::optional<int> tracepoint_id(const std::string& name);

}  // namespace tcpdwell
