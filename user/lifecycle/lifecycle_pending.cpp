// SPDX-License-Identifier: Apache-2.0
// Pending ends (PendingEnds) are resolved (the connection is over) or retracted (it is still open).
#include <algorithm>
#include <variant>

#include "lifecycle/lifecycle.h"

namespace tcpdwell {

void Lifecycle::resolve(Id id) {
  const PendingEnd pending_end = table_[id].pending_end;
  table_[id].pending_end = PendingEnd::None;
  if (pending_end == PendingEnd::Closed) {
    const auto event = std::get<TransitionEvent>(table_.cold_state(table_[id]).pending_event);
    return settle_closed(id, event);
  }
  if (table_[id].carrier == Carrier::Minisock) {
    auto cancel = std::get<TimewaitEvent>(table_.cold_state(table_[id]).pending_event);
    if (cancel.canceller == Canceller::Segment && resync_.lost_since(cancel.at))
      cancel.canceller = Canceller::Unknown;  // may be a re-arm whose start was lost
    return end_minisock(id, cancel, false);
  }
  table_[id].pending_end = pending_end;
  end_request(id);
}

// A segment that came later than the cancel of the minisock's timer: the minisock still exists.
void Lifecycle::on_minisock_segment(Id id, Nanos at) {
  if (pending_.is_contradicted(table_[id], at)) retract_end(id, at);
}

void Lifecycle::ask_about_end(Id id, Nanos now) {
  questions_.ask(id, {.for_end = true});
  pending_.asked(id, now);
}

void Lifecycle::end_answered(Id id, const InquiryEvent& answer) {
  const Connection& connection = table_[id];
  if (answer.presence != Presence::Present || questions_.is_successor(id, answer))
    return resolve(id);
  if (connection.pending_end == PendingEnd::Closed) return closed_answered(id, answer);
  if (connection.carrier == Carrier::Request && answer.kind == SocketKind::Full)
    return continue_as_socket(id, answer);
  retract_end(id, answer.at);
}

void Lifecycle::closed_answered(Id id, const InquiryEvent& answer) {
  Connection& connection = table_[id];
  // A socket that was looked up by its addresses had no cookie; the question assigned one.
  const bool by_flow = !connection.entered_known;
  const bool given = by_flow && table_.by_cookie(answer.cookie) == kNone;
  const bool other = answer.cookie != 0 && answer.cookie != connection.cookie && !given;
  if (other || answer.kind != SocketKind::Minisock) return resolve(id);
  const Nanos closed = table_.cold_state(connection).pending_at;
  connection.minisock_cookie = answer.cookie != 0 && answer.cookie == connection.cookie;
  table_.index_flow(id);
  continue_as_minisock(id, answer.state, answer.at);
  if (connection.state != State::FinWait2 || answer.state != State::TimeWait) return;
  const Nanos half = (std::max(answer.at, closed) - closed) / 2;
  move(id, State::TimeWait, closed + half, half, Why::Fin);
}

// The event that seemed to end the connection was the first of two; the second was lost or hidden.
void Lifecycle::count_false_end(Id id, Nanos at) {
  ++corrected_;
  if (resync_.lost_since(table_.find_cold_state(table_[id])->pending_at))
    resync_.count_resync(at);
  else
    resync_.count_unseen(table_[id]);
}

// Its timer was restarted: by a segment, which is the FIN if the substate changed; or by a SYN-ACK
// retransmit.
void Lifecycle::retract_end(Id id, Nanos at) {
  count_false_end(id, at);
  if (table_[id].carrier == Carrier::Minisock) on_timer_restarted(id);
  table_[id].pending_end = PendingEnd::None;
  table_.tidy(table_[id]);
  flags_.watch(id);
}

// A minisock replaced the full socket at its CLOSE, and is in `substate` at `at`. Its address is
// not known until its next event (minisock_without_start).
void Lifecycle::continue_as_minisock(Id id, State substate, Nanos at) {
  Connection& connection = table_[id];
  const auto closed = std::get<TransitionEvent>(table_.cold_state(connection).pending_event);
  count_false_end(id, at);
  connection.pending_end = PendingEnd::None;
  connection.carrier = Carrier::Minisock;
  ++connection.question;
  connection.orphan = substate == State::FinWait2;
  // Unread bytes mean the FIN: close() with other unread data sends an RST instead.
  const bool had_fin = closed.from == State::Closing || closed.receive_queue > 0;
  if (substate == State::TimeWait && had_fin)
    move(id, State::TimeWait, closed.at, Nanos{0},
         closed.from == State::Closing ? Why::Ack : Why::Fin);
  table_.tidy(connection);
  flags_.watch(id, closed.at);
}

// A request became a full socket, and no event of that socket has come.
void Lifecycle::continue_as_socket(Id id, const InquiryEvent& answer) {
  if (table_.by_cookie(answer.cookie) != kNone) return resolve(id);  // in the table already
  count_false_end(id, answer.at);
  promote_unseen(id, answer);
}

}  // namespace tcpdwell
