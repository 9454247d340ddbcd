// SPDX-License-Identifier: Apache-2.0
// What becomes of ends that wait (PendingEnds): the connection is over, or it went on.
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
      cancel.canceller = Canceller::Unknown;  // perhaps a re-arm, whose start was lost
    return end_minisock(id, cancel, false);
  }
  table_[id].pending_end = pending_end;
  end_request(id);
}

// A segment for a minisock whose timer was cancelled, but not by the same call: it is there.
void Lifecycle::heard_of_minisock(Id id, Nanos at) {
  if (pending_.is_contradicted(table_[id], at)) went_on(id, at);
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
    return went_on_as_socket(id, answer);
  went_on(id, answer.at);
}

void Lifecycle::closed_answered(Id id, const InquiryEvent& answer) {
  Connection& connection = table_[id];
  // Who is asked by its addresses has no cookie, and is given one by the question.
  const bool by_ends = !connection.entered_known;
  const bool given = by_ends && table_.by_cookie(answer.cookie) == kNone;
  const bool other = answer.cookie != 0 && answer.cookie != connection.cookie && !given;
  if (other || answer.kind != SocketKind::Minisock) return resolve(id);
  const Nanos closed = table_.cold_state(connection).pending_at;
  connection.minisock_cookie = answer.cookie != 0 && answer.cookie == connection.cookie;
  table_.index_flow(id);
  went_on_as_minisock(id, answer.state, answer.at);
  if (connection.state != State::FinWait2 || answer.state != State::TimeWait) return;
  const Nanos half = (std::max(answer.at, closed) - closed) / 2;
  move(id, State::TimeWait, closed + half, half, Why::Fin);
}

// What would have ended it was half of something, and the other half did not come.
void Lifecycle::was_no_end(Id id, Nanos at) {
  ++corrected_;
  if (resync_.lost_since(table_.find_cold_state(table_[id])->pending_at))
    resync_.count_resync(at);
  else
    resync_.count_unseen(table_[id]);
}

// Its timer was started again: by a segment, of which the first that finds the substate changed was
// the FIN; or the SYN-ACK was sent again.
void Lifecycle::went_on(Id id, Nanos at) {
  was_no_end(id, at);
  if (table_[id].carrier == Carrier::Minisock) restarted(id);
  table_[id].pending_end = PendingEnd::None;
  table_.tidy(table_[id]);
  flags_.watch(id);
}

// A minisock took it over when it went to CLOSE, and is in `substate` at `at`. Until its next event
// its address is not known (minisock_without_start).
void Lifecycle::went_on_as_minisock(Id id, State substate, Nanos at) {
  Connection& connection = table_[id];
  const auto closed = std::get<TransitionEvent>(table_.cold_state(connection).pending_event);
  was_no_end(id, at);
  connection.pending_end = PendingEnd::None;
  connection.carrier = Carrier::Minisock;
  ++connection.question;
  connection.orphan = substate == State::FinWait2;
  // The FIN counts as unread: what else comes in FIN_WAIT_2 and is not read is answered by an RST.
  const bool had_fin = closed.from == State::Closing || closed.receive_queue > 0;
  if (substate == State::TimeWait && had_fin)
    move(id, State::TimeWait, closed.at, Nanos{0},
         closed.from == State::Closing ? Why::Ack : Why::Fin);
  table_.tidy(connection);
  flags_.watch(id, closed.at);
}

// Its child came, and nothing was seen of it so far.
void Lifecycle::went_on_as_socket(Id id, const InquiryEvent& answer) {
  if (table_.by_cookie(answer.cookie) != kNone) return resolve(id);  // it is known already
  was_no_end(id, answer.at);
  become_child(id, answer);
}

}  // namespace tcpdwell
