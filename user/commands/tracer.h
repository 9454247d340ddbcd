// SPDX-License-Identifier: Apache-2.0
// The run of `trace`, `stats` and `record`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "options/where_options.h"
#include "session/session.h"

namespace tcpdwell {

struct TracerConfig {
  SessionConfig session;
  bool watch_accept = true;
  WhereChoice where;
  std::uint64_t ring_bytes = 0;   // 0: by the memory and CPUs of this machine
  std::optional<Nanos> duration;  // from readiness on; nullopt: until a signal
  std::string ready_file;         // made once the snapshot is complete; empty: none
  FilePolicy files;               // of --record and --ready-file
  // Called once everything is attached and rights are dropped, before the first record: threads
  // that it makes have no more rights than ours. Empty: none. An error ends the run.
  std::function<std::optional<Error>()> attached;
  std::function<bool()> enough;                  // ends the run once true; empty: never
  std::function<void(const Session&)> on_ready;  // once, when the snapshot is complete
  std::function<void(const Session&)> on_turn;   // at every turn of the loop; see Session::loop()
  std::vector<int> wake_on;  // calls `enough` when one of these descriptors is readable
  std::optional<recording::RecorderConfig> record;
  bool only_record = false;  // end the run when the recording ends
};

// Traces until a signal (SIGINT, SIGTERM), the end of `duration`, or the reader of `output` is
// gone. SIGHUP reopens `output`. Writes all records to `sink`, which writes to `output`, and
// returns the end record. A recording that failed is an error at the end, after the trace was
// written in full. Call it on the main thread, before any other thread exists.
Result<EndRecord> trace(const TracerConfig& config, Sink& sink, Output& output);

}  // namespace tcpdwell
