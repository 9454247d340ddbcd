// SPDX-License-Identifier: Apache-2.0
// The values of options, from text. Each throws CLI::ValidationError with what is wrong and what
// would be right: CLI11's way to refuse a value.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "lifecycle/filter.h"
#include "stats/stats_record.h"
#include "model/types.h"
#include "sinks/kinds.h"

namespace tcpdwell {

std::vector<std::uint16_t> port_list(const std::string& option, const std::vector<std::string>&);
std::vector<Cidr> cidr_list(const std::vector<std::string>& texts);
std::vector<std::uint32_t> pid_list(const std::vector<std::string>& texts);
std::bitset<kStates> state_set(const std::vector<std::string>& texts);
Kinds kind_set(const std::vector<std::string>& texts);
// "CLOSE_WAIT=30s"
void set_flag(const std::string& text, Thresholds& thresholds);
// One that has dwells: any but CLOSED.
State dwell_state_value(const std::string& option, const std::string& text);
GroupBy group_by_value(const std::string& text);
// An exit status, 0 to 255.
int status_value(const std::string& option, const std::string& text);
Nanos duration_value(const std::string& option, const std::string& text);
// "65536", "64K", "16M", "1G"
std::uint64_t size_value(const std::string& option, const std::string& text);
// Of --output-buffer: room for some lines.
std::size_t output_buffer_value(const std::string& text);
// Of a recording: not too small for a frame.
std::uint64_t recording_size_value(const std::string& text);
// How many older files, 1 to 1000.
mode_t mode_value(const std::string& text);
unsigned rotate_value(const std::string& text);
std::uint64_t count_value(const std::string& option, const std::string& text);
// An inode number, "self", or a path such as /run/netns/NAME.
// The file that leads to it.
std::string netns_file(const std::string& text);
std::uint32_t netns_value(const std::string& text);
// A path below the cgroup v2 root, or one below its mount point.
std::string cgroup_value(const std::string& text);

}  // namespace tcpdwell
