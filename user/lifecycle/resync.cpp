// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/resync.h"

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// An event may have been lost this long before the loss was noticed.
constexpr Nanos kLossReach = 1ms;
constexpr Nanos kLossReportDelay = 2s;  // how late a loss may be reported
constexpr Nanos kReportWithin = 1s;     // corrections within it share a record

// Of a full socket, on the shortest way. FIN_WAIT_1 to TIME_WAIT leads through FIN_WAIT_2, and
// TIME_WAIT is CLOSE to the full socket.
std::uint64_t transitions_between(State from, State to) {
  if (from == to) return 0;
  switch (to) {
    case State::TimeWait: return from == State::FinWait2 || from == State::Closing ? 1 : 2;
    case State::FinWait2: return from == State::FinWait1 ? 1 : 2;
    case State::LastAck: return from == State::CloseWait ? 1 : 2;
    case State::Closing: return from == State::FinWait1 ? 1 : 2;
    case State::Closed: return from == State::FinWait1 ? 2 : 1;
    default: return 1;
  }
}

}  // namespace

void Resync::lost(const LossEvent& event) {
  if (event.events > 0 || !event.counted) {
    last_loss_ = event.at;
    last_loss_cause_ = event.cause;
    wants_snapshot_ = true;
  }
  // A loss by recursion is reported up to a second late: it explains what was missing meanwhile.
  if (event.cause == LossCause::Recursion) {
    const std::uint64_t explained = std::min(unexplained_, event.transitions);
    unexplained_ -= explained;
    unseen_ -= explained;
  }
  if (event.counted) publisher_.lost(event, std::exchange(resynced_, 0));
}

bool Resync::lost_since(Nanos at) const {
  return last_loss_.count() >= 0 && last_loss_ + kLossReach >= at;
}

void Resync::count_unseen(const Connection& connection, State to, Nanos at) {
  if (connection.verdict == Verdict::Hide || lost_since(connection.entered)) return;
  count(transitions_between(connection.state, to), at);
}

void Resync::count_unseen_birth(Nanos at) {
  count(transitions_between(State::Listen, State::Established), at);
}

void Resync::count(std::uint64_t unseen, Nanos at) {
  if (at > unexplained_since_ + kLossReportDelay) {
    unexplained_ = 0;
    unexplained_since_ = at;
  }
  unexplained_ += unseen;
  unseen_ += unseen;
  wants_snapshot_ = true;  // others, a FIN for example, may be hidden beside it
}

void Resync::count_unseen(const Connection& connection) {
  if (connection.verdict != Verdict::Hide) ++unseen_;
}

// Without a counted loss there is no `lost` record that could report it.
void Resync::count_resync(Nanos at) {
  if (last_loss_.count() < 0) return;
  if (resynced_++ == 0) resynced_at_ = at;
}

void Resync::report(Nanos at) {
  if (resynced_ == 0) return;
  publisher_.lost({.at = at, .cause = last_loss_cause_}, std::exchange(resynced_, 0));
}

void Resync::report_if_due(Nanos now) {
  if (now >= resynced_at_ + kReportWithin) report(now);
}

void Resync::snapshot_begins() {
  wants_snapshot_ = false;
  first_walk_ = !walked_;
  walked_ = true;
  ++walks_;
}

Nanos Resync::unseen_since(Nanos at, bool evicted) const {
  if (evicted || is_walked()) return at;
  return std::min(std::max(began_, last_loss_), at);
}

}  // namespace tcpdwell
