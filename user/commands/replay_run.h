// SPDX-License-Identifier: Apache-2.0
// Plays a recording through a lifecycle table into a sink: what `replay` and `report` share.
#pragma once

#include <functional>
#include <string>

#include "commands/open_recording.h"
#include "lifecycle/filter.h"
#include "model/observer.h"
#include "model/record.h"
#include "sinks/output.h"
#include "util/result.h"

namespace tcpdwell {

struct ReplayConfig {
  std::string path;
  Filter filter;  // of what the recording has
  Observer* observer = nullptr;
  std::function<bool()> enough;  // ends the replay once true; empty: never
};

// Writes every record to `sink`, which writes to `output`. SIGINT and SIGTERM end it early. Call
// open_recording() and this on the main thread, before any other thread exists.
Result<EndRecord> replay(const ReplayConfig& config, OpenRecording& recording, Sink& sink,
                         Output& output);

}  // namespace tcpdwell
