// SPDX-License-Identifier: Apache-2.0
// The run of `trace`, `stats` and `record`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "session/session.h"

namespace tcpdwell {

struct TracerConfig {
  SessionConfig session;
  bool watch_accept = true;
  std::uint64_t ring_bytes = 0;   // 0: by the memory and CPUs of this machine
  std::optional<Nanos> duration;  // from readiness on; nullopt: until a signal
  std::string ready_file;         // made once the snapshot is complete; empty: none
  FilePolicy files;               // of --record and --ready-file
  std::function<bool()> enough;   // ends the run once true; empty: never
  std::vector<int> wake_on;       // calls `enough` when one of these descriptors is readable
