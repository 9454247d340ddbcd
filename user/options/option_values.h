// SPDX-License-Identifier: Apache-2.0
// Option values from text. Each function throws CLI::ValidationError, with what is wrong and what
// would be right.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "leaks/leak_view.h"
#include "lifecycle/filter.h"
#include "model/types.h"
#include "options/replay_time.h"
#include "sinks/kinds.h"
#include "stats/stats_record.h"

namespace tcpdwell {

// Throws: "TEXT" is not WHAT.
[[noreturn]] void refuse(const std::string& option, const std::string& text,
                         const std::string& what);
// A decimal number, and nothing else.
std::optional<std::uint64_t> number(std::string_view text);
Kinds kind_set(const std::vector<std::string>& texts);
// "CLOSE_WAIT=30s"
void set_flag(const std::string& text, Thresholds& thresholds);
// A state that has dwells: any but CLOSED.
State dwell_state_value(const std::string& option, const std::string& text);
GroupBy group_by_value(const std::string& text);
LeakOrder leak_order_value(const std::string& text);
// --growth: "5/min", "0.5/min".
double growth_value(const std::string& text);
ReplayTime replay_time_value(const std::string& option, const std::string& text);
// The names of the states, for did_you_mean().
std::vector<std::string> state_names();
// An exit status, 0 to 255.
int status_value(const std::string& option, const std::string& text);
Nanos duration_value(const std::string& option, const std::string& text);
// "65536", "64K", "16M", "1G"
std::uint64_t size_value(const std::string& option, const std::string& text);
// --output-buffer: 64K to 1G.
std::size_t output_buffer_value(const std::string& text);
// --max-size: large enough for a frame.
std::uint64_t recording_size_value(const std::string& text);
// --mode: octal permissions that include writing for the owner.
mode_t mode_value(const std::string& text);
// --rotate: the number of older files, 1 to 1000.
unsigned rotate_value(const std::string& text);
std::uint64_t count_value(const std::string& option, const std::string& text);
// The file of a network namespace that is given as "self", a name of `ip netns`, or a path.
std::string netns_file(const std::string& text);
// The same for --netns; empty for an inode number, which names no file.
std::string netns_path(const std::string& text);
// --netns: the inode number, from a number, "self", a name or a path.
std::uint32_t netns_value(const std::string& text);
// --cgroup: a path below the cgroup v2 root; the mount point may precede it.
std::string cgroup_value(const std::string& text);

}  // namespace tcpdwell
