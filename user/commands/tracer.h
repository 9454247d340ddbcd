// SPDX-License-Identifier: Apache-2.0
// `trace`: everything, until somebody ends it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "session/session.h"

namespace tcpdwell {

struct TracerConfig {
  SessionConfig session;
  bool watch_accept = true;
  std::uint64_t ring_bytes = 0;   // 0: by this machine's memory and CPUs
  std::optional<Nanos> duration;  // from the time that all is ready; nullopt: until a signal
  std::string ready_file;         // made once everything is attached and known; empty: none
  FilePolicy files;               // of --record and --ready-file
  std::function<bool()> enough;   // over when it says so; empty: never
  std::optional<recording::RecorderConfig> record;
  bool only_record = false;  // without a record there is nothing to go on for
};

// Traces until a signal (SIGINT, SIGTERM), the end of `duration`, or a reader of `output` that went
// away. SIGHUP reopens `output`. Writes a start and an end record to `sink`, which writes to
// `output`, and returns the latter. A record that cannot be kept any more is an error at the end:
// what was traced meanwhile was written. Call it on the main thread, before any other thread is
// made.
Result<EndRecord> trace(const TracerConfig& config, Sink& sink, Output& output);

}  // namespace tcpdwell
