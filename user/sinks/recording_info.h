// SPDX-License-Identifier: Apache-2.0
// The output of `replay FILE info`.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/record.h"

namespace tcpdwell {

struct RecordingInfo {
  StartRecord start;
  EndRecord end;
  std::uint64_t damaged = 0;  // frames that were skipped
  bool begins_late = false;   // older parts are missing
  bool reached_max_size = false;
  std::vector<std::pair<std::string, std::uint64_t>> files;  // path, bytes; oldest first
};

std::string recording_info_text(const RecordingInfo& info);
std::string recording_info_json(const RecordingInfo& info);  // one line

}  // namespace tcpdwell
