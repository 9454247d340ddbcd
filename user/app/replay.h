// SPDX-License-Identifier: Apache-2.0
// `replay`: a recording, through the same pipeline as the run that made it. Needs no rights and no
// BPF; asks this machine nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/filter.h"
#include "core/observer.h"
#include "core/record.h"
#include "core/thresholds.h"
#include "sinks/output.h"
#include "util/result.h"

namespace tcpdwell {

struct ReplayConfig {
  std::string path;  // with the older parts path.1 ... of the same run beside it
  Filter filter;     // of what the recording has
  // As they were asked for, to be compared: the kernel was asked by those of the run. nullopt: they
  // were not.
  std::optional<Thresholds> thresholds;
  std::optional<std::size_t> max_connections;
  Observer* observer = nullptr;
  std::function<bool()> enough;  // over when it says so; empty: at the end
};

// nullopt: it can be replayed, and to `output` (empty: stdout). Ask before that is opened, which
// empties it.
std::optional<Error> why_no_replay(const ReplayConfig& config, const std::string& output);
// Writes every record of it to `sink`, which writes to `output`; waits for a reader that is slow.
// SIGINT and SIGTERM end it where it is. Call it on the main thread, before any other is made.
Result<EndRecord> replay(const ReplayConfig& config, Sink& sink, Output& output);

}  // namespace tcpdwell
