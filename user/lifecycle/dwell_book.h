// SPDX-License-Identifier: Apache-2.0
// Changes a connection's state, and keeps the time that it spent in each.
#pragma once

#include "lifecycle/connection.h"
#include "lifecycle/suspensions.h"
#include "lifecycle/table.h"
#include "model/types.h"

namespace tcpdwell {

class DwellBook {
 public:
  // `table` must outlive it.
  explicit DwellBook(ConnectionTable& table) : table_(table) {}

  // The connection enters `to` at `at`, which may be off by `error`. Returns the transition. The
  // time in the last state before CLOSED is in the result alone: times() adds it.
  HeldTransition move(Connection& connection, State to, Nanos at, Nanos error, Why why);
  // Of a connection whose last transition was `last`, which led to CLOSED. Indexed by State.
  std::array<StateTime, kStates> times(const Connection& connection,
                                       const HeldTransition& last) const;

  // The host was suspended: a dwell that spans it is off by that time.
  void suspended(const SuspendEvent& event) { suspensions_.add(event); }
  // How long it was suspended between the two.
  Nanos suspended_within(Nanos from, Nanos to) const { return suspensions_.within(from, to); }

 private:
  ConnectionTable& table_;
  Suspensions suspensions_;
};

}  // namespace tcpdwell
