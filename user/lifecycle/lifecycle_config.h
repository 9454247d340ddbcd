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
  Nanos began{};  // when everything was attached: a socket seen later may be older
  bool watches_resets = true;
  // The kernel is asked within a second for what seems to stay in a state that does not last. Else,
  // as in recordings of older versions, much later.
  bool asks_soon = false;
  bool sees_segments = false;   // that a minisock gets: it is in TIME_WAIT only after one of them
  bool sees_cancellers = true;  // who cancelled a timer is told, where it is not its natural end
  std::size_t max_connections = 4'000'000;
  Thresholds thresholds;
  // Set: this is `run`. A socket of the command that was in CLOSE_WAIT for so long is flagged when
  // nothing but the exit of its process closes it.
  std::optional<Nanos> exit_grace;
  // `leaks`: what may be over its threshold is flagged, too: only the upper bound of its age is.
  bool flags_uncertain = false;
  StateMemory* memory = nullptr;  // what earlier looks knew; null: there are none
};

}  // namespace tcpdwell
