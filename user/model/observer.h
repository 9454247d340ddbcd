// SPDX-License-Identifier: Apache-2.0
// Reads the whole table now and then. Its clock is Lifecycle::tick(), so a replay with the same
// ticks shows it the same as the live run.
#pragma once

#include <optional>

#include "model/types.h"

namespace tcpdwell {

class Lifecycle;

// Called on the thread that owns the table; must not throw.
class Observer {
 public:
  virtual ~Observer() = default;
  // Called right after Lifecycle::tick(now). The table contains all events up to `now`.
  virtual void ticked(Nanos now, const Lifecycle& lifecycle) noexcept = 0;
  // Called right after Lifecycle::finish(now), before the end record.
  virtual void finished(Nanos now, const Lifecycle& lifecycle) noexcept = 0;
  // The latest time at which the next tick should come. nullopt: any time.
  virtual std::optional<Nanos> due() const noexcept = 0;
};

}  // namespace tcpdwell
