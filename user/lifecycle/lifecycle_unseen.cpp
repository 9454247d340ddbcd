// SPDX-License-Identifier: Apache-2.0
// Answers that show what the kernel hid from BPF and no later event tells.
#include <algorithm>

#include "lifecycle/lifecycle.h"

namespace tcpdwell {

// What we knew was one of those that the answer is about earlier. False: it cannot be told what is
// missing.
bool Lifecycle::answered_otherwise(Id id, const InquiryEvent& answer) {
  const Connection& connection = table_[id];
  const bool minisock = answer.kind == SocketKind::Minisock;
  if (connection.carrier == Carrier::Request && answer.kind == SocketKind::Full &&
      answer.cookie != 0 && table_.by_cookie(answer.cookie) == kNone) {
    count_resync(answer.at);
    become_child(id, answer);
    return true;
  }
  if (connection.carrier == Carrier::Full && minisock && answer.cookie == connection.cookie) {
    count_resync(answer.at);
    left_to_minisock_unseen(id, answer);
    return true;
  }
  if (connection.carrier == Carrier::Minisock && minisock && config_.sees_segments &&
      connection.state == State::FinWait2 && answer.state == State::TimeWait) {
    count_resync(answer.at);
    entered_time_wait_unseen(id, connection.entered, answer.at);
    return true;
  }
  return false;
}

// Its child came, and nothing was seen of it so far.
void Lifecycle::become_child(Id id, const InquiryEvent& answer) {
  table_.forget_object(id);
  table_.forget_flow(id);
  grow_up(id, answer.cookie, table_.flow(table_[id]), 0);
  if (answer.state != State::SynReceived) bridge_gap(id, answer.state, answer.at);
}

// A minisock has taken it over, and is in FIN_WAIT_2 or TIME_WAIT. Until its next event its address
// is not known (minisock_without_start).
void Lifecycle::left_to_minisock_unseen(Id id, const InquiryEvent& answer) {
  Connection& connection = table_[id];
  const Nanos known = connection.entered;
  connection.orphan = answer.state == State::FinWait2;
  if (connection.state != State::FinWait2 && connection.state != State::Closing)
    bridge_gap(id, State::FinWait2, answer.at);
  else
    count_unseen(connection, State::TimeWait, answer.at);
  connection.carrier = Carrier::Minisock;
  connection.minisock_cookie = true;
  ++connection.question;
  table_.index_flow(id);
  if (answer.state == State::TimeWait) entered_time_wait_unseen(id, known, answer.at);
  watch(id, answer.at);
}

// Between the two: each state before it began in that time, too.
void Lifecycle::entered_time_wait_unseen(Id id, Nanos from, Nanos to) {
  const Nanos half = (std::max(to, from) - from) / 2;
  const Why why = table_[id].state == State::Closing ? Why::Ack : Why::Fin;
  move(id, State::TimeWait, from + half, half, why);
}

}  // namespace tcpdwell
