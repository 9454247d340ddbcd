// SPDX-License-Identifier: Apache-2.0
// Changes a connection's state, and keeps the time spent in each state.
#pragma once

#include "lifecycle/connection.h"
#include "lifecycle/suspensions.h"
#include "lifecycle/table.h"
#include "model/types.h"

namespace tcpdwell {

class DwellBook {
 public:
  // `table` must outlive this object.
  explicit DwellBook(ConnectionTable& table) : table_(table) {}

  // The connection enters `to` at `at`, give or take `error`. Returns the transition. The time in
  // the last state before CLOSED is only in the result; times() adds it.
  HeldTransition move(Connection& connection, State to, Nanos at, Nanos error, Why why);
  // Times of an ended connection; `last` is its transition to CLOSED. Indexed by State.
  std::array<StateTime, kStates> times(const Connection& connection,
                                       const HeldTransition& last) const;

  // The host was suspended: that time becomes an error of each dwell that spans it.
  void suspended(const SuspendEvent& event) { suspensions_.add(event); }
  // How long the host was suspended between `from` and `to`.
  Nanos suspended_within(Nanos from, Nanos to) const { return suspensions_.within(from, to); }

 private:
  ConnectionTable& table_;
  Suspensions suspensions_;
};

}  // namespace tcpdwell
