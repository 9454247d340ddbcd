// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/dwell_book.h"

#include <algorithm>

namespace tcpdwell {

HeldTransition DwellBook::move(Connection& connection, State to, Nanos at, Nanos error, Why why) {
  // CPUs stamp events before they queue them, so time stamps can be slightly out of order.
  at = std::max(at, connection.entered);
  const Nanos measured_error = table_.entered_error(connection) + error;
  const bool known = connection.entered_known;
  const Nanos measured = at - connection.entered;
  HeldTransition change{
      .at = at,
      // If the begin is not known, a lower bound: until the earliest possible end.
      .dwell = known ? measured : std::max(measured - measured_error, Nanos{0}),
      .error = sum_of_errors(measured_error, suspensions_.within(connection.entered, at)),
      .measured_error = measured_error,
      .from = connection.state,
      .to = to,
      .why = why,
      .has_dwell = true,
      .error_known = known,
      .owned = connection.owner != 0};
  if (to != State::Closed)
    table_.spend(connection, change.from, change.dwell, change.error, !known);
  connection.state = to;
  connection.entered = at;
  table_.set_entered_error(connection, error);
  connection.entered_known = true;
  return change;
}

std::array<StateTime, kStates> DwellBook::times(const Connection& connection,
                                                const HeldTransition& last) const {
  auto times = table_.times(connection);
  StateTime& time = times[index(last.from)];
  time = {.total = time.total + last.dwell,
          .error = sum_of_errors(time.error, last.error),
          .visited = true,
          .lower_bound = time.lower_bound || !last.error_known};
  return times;
}

}  // namespace tcpdwell
