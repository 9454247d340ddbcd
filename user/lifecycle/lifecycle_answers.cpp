// SPDX-License-Identifier: Apache-2.0
// Answers of the kernel about single connections, and corrections of the table from them.
#include <algorithm>

#include "lifecycle/lifecycle.h"

namespace tcpdwell {
namespace {

bool carries(Carrier carrier, SocketKind kind) {
  switch (kind) {
    case SocketKind::Full: return carrier == Carrier::Full;
    case SocketKind::Minisock: return carrier == Carrier::Minisock;
    case SocketKind::Request: return carrier == Carrier::Request;
  }
  return false;
}

}  // namespace

void Lifecycle::on_event(const InquiryEvent& event) {
  if (!table_.alive(event.id, event.generation)) return;
  Connection& connection = table_[event.id];
  if (event.serial != connection.question) return;  // stale: the state changed since the question
  if (connection.pending_end != PendingEnd::None && connection.end_asked)
    return end_answered(event.id, event);
  const bool for_flag = connection.flag == FlagStage::Asked;
  if (event.presence == Presence::Unknown) {
    if (for_flag) flags_.ask_later(event.id, event.at);
    return;
  }
  if (connection.pending_end != PendingEnd::None) {
    if (for_flag) flags_.ask_soon(event.id, event.at);
    return;
  }
  if (for_flag) connection.flag = FlagStage::None;
  if (connection.state == State::Listen && event.kind == SocketKind::Full)
    listen_answered(event.id, event);
  if (event.presence == Presence::Gone || questions_.is_successor(event.id, event)) {
    resync_.count_resync(event.at);
    return end_unseen(event.id, event.at);
  }
  // connect() chose the port after its transition. Indexes by flow need it.
  if (connection.carrier == Carrier::Full && connection.local_port == 0) {
    connection.local_port = event.local.port;
    publisher_.reconsider(connection, false);
  }
  if (for_flag) flags_.answered(event.id, event);
  // The kernel reports a Fast Open child that is not accepted yet as a request.
  const bool itself = connection.carrier == Carrier::Full && event.cookie == connection.cookie &&
                      event.state == State::SynReceived;
  if (carries(connection.carrier, event.kind) || itself) {
    // Without segment events, end_minisock() dates a minisock's FIN from its timer or stamp.
    if (event.state == connection.state) return;
    if (connection.origin_lost) return assume_origin(event.id, event.at);
    if (event.kind != SocketKind::Full) return void(follow_carrier_change(event.id, event));
    resync_.count_resync(event.at);
    bridge_gap(event.id, event.state, event.at);
    return learn_port(event.id, event.local);
  }
  if (follow_carrier_change(event.id, event)) return;
  // Another kernel object carries the connection now, and the event of that change is missing.
  resync_.want_snapshot();
  if (for_flag && connection.flag == FlagStage::None) flags_.ask_later(event.id, event.at);
}

// The answer shows a later kernel object of the same connection: applies the missing change. False:
// the missing change is not known.
bool Lifecycle::follow_carrier_change(Id id, const InquiryEvent& answer) {
  const Connection& connection = table_[id];
  const bool minisock = answer.kind == SocketKind::Minisock;
  if (connection.carrier == Carrier::Request && answer.kind == SocketKind::Full &&
      answer.cookie != 0 && table_.by_cookie(answer.cookie) == kNone) {
    resync_.count_resync(answer.at);
    promote_unseen(id, answer);
    return true;
  }
  if (connection.carrier == Carrier::Full && minisock && answer.cookie == connection.cookie) {
    resync_.count_resync(answer.at);
    enter_minisock_unseen(id, answer);
    return true;
  }
  if (connection.carrier == Carrier::Minisock && minisock && config_.sees_segments &&
      connection.state == State::FinWait2 && answer.state == State::TimeWait) {
    resync_.count_resync(answer.at);
    entered_time_wait_unseen(id, connection.entered, answer.at);
    return true;
  }
  return false;
}

// A request became a full socket, and no event of that socket has come.
void Lifecycle::promote_unseen(Id id, const InquiryEvent& answer) {
  table_.forget_object(id);
  table_.forget_flow(id);
  promote(id, answer.cookie, table_.flow(table_[id]), 0);
  if (answer.state != State::SynReceived) bridge_gap(id, answer.state, answer.at);
}

// A minisock, in FIN_WAIT_2 or TIME_WAIT, replaced the full socket. Its address is not known until
// its next event (minisock_without_start).
void Lifecycle::enter_minisock_unseen(Id id, const InquiryEvent& answer) {
  Connection& connection = table_[id];
  const Nanos known = connection.entered;
  connection.orphan = answer.state == State::FinWait2;
  if (connection.state != State::FinWait2 && connection.state != State::Closing)
    bridge_gap(id, State::FinWait2, answer.at);
  else
    resync_.count_unseen(connection, State::TimeWait, answer.at);
  connection.carrier = Carrier::Minisock;
  connection.minisock_cookie = true;
  ++connection.question;
  table_.index_flow(id);
  if (answer.state == State::TimeWait) entered_time_wait_unseen(id, known, answer.at);
  flags_.watch(id, answer.at);
}

// TIME_WAIT began between `from` and `to`.
void Lifecycle::entered_time_wait_unseen(Id id, Nanos from, Nanos to) {
  const Nanos half = (std::max(to, from) - from) / 2;
  const Why why = table_[id].state == State::Closing ? Why::Ack : Why::Fin;
  move(id, State::TimeWait, from + half, half, why);
}

}  // namespace tcpdwell
