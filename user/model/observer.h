// SPDX-License-Identifier: Apache-2.0
// Who looks at the table as a whole from time to time. Time is that of Lifecycle::tick(): what
// looked at a live run sees the same in a replay with the same ticks.
#pragma once

#include <optional>

#include "model/types.h"

namespace tcpdwell {

class Lifecycle;

// Called on the thread that owns the table; must not throw.
class Observer {
 public:
  virtual ~Observer() = default;
  // Right after Lifecycle::tick(now): all events up to then are in the table.
  virtual void ticked(Nanos now, const Lifecycle& lifecycle) noexcept = 0;
  // Right after Lifecycle::finish(now), before the end record.
  virtual void finished(Nanos now, const Lifecycle& lifecycle) noexcept = 0;
  // When a tick would be welcome, at the latest.
  virtual std::optional<Nanos> due() const noexcept = 0;
};

}  // namespace tcpdwell
