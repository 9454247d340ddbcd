// SPDX-License-Identifier: Apache-2.0
// A live run: one epoll loop owns ring, lifecycle table and output; what is slow is asked of a
// helper thread. No step of the loop takes longer than a batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/filter.h"
#include "core/record.h"
#include "sinks/output.h"
#include "util/result.h"

namespace tcpdwell {

struct TracerConfig {
  Filter filter;
  bool watch_accept = true;
  std::uint64_t ring_bytes = 0;  // 0: by this machine's memory and CPUs
  std::size_t max_connections = 4'000'000;
  std::optional<Nanos> duration;  // nullopt: until a signal
  std::string ready_file;         // made once everything is attached; empty: none
};

// Traces until a signal (SIGINT, SIGTERM), the end of `duration`, or a reader of `output` that went
// away. SIGHUP reopens `output`. Writes a start and an end record to `sink`, which writes to
// `output`, and returns the latter. Call it on the main thread, before any other thread is made.
Result<EndRecord> trace(const TracerConfig& config, Sink& sink, Output& output);

}  // namespace tcpdwell
