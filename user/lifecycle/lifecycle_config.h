// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>

#include "lifecycle/state_memory.h"
#include "model/thresholds.h"
#include "model/types.h"

namespace tcpdwell {

struct LifecycleConfig {
  unsigned hz = 250;
  Nanos began{};  // when all programs were attached; sockets seen later may be older
  bool watches_resets = true;
  // Ask the kernel within a second about a connection that stays in a short-lived state. False for
  // recordings of older versions: ask much later.
  bool asks_soon = false;
  bool sees_segments = false;   // segments for minisocks are events: TIME_WAIT never begins unseen
  bool sees_cancellers = true;  // events of cancelled timers carry the reason (Canceller)
  std::size_t max_connections = 4'000'000;
  Thresholds thresholds;
  // Set for `run` only. Flags a socket of the command that was in CLOSE_WAIT for at least this long
  // and is closed only by the exit of its process.
  std::optional<Nanos> exit_grace;
  // `leaks`: also flag connections of which only the upper bound of the age exceeds the threshold.
  bool flags_uncertain = false;
  StateMemory* memory = nullptr;  // state ages from earlier scans; null: no earlier scan
};

}  // namespace tcpdwell
