// SPDX-License-Identifier: Apache-2.0
// Ends that only a missing event suggests. What an event means can depend on the next one, and some
// kernels hide from BPF what softirqs do while certain tasks are current: then the next one never
// comes. The kernel is asked whether the connection is gone before such an end is told.
#include <algorithm>
#include <variant>

#include "lifecycle/lifecycle.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// A doubt is settled once its CPU was heard of again, since what would resolve it happens next on
// the same CPU; at the earliest after kGrace, and without such a sign after kPatience, which a
// virtual CPU that was put aside may need.
constexpr Nanos kGrace = 50ms;
constexpr Nanos kPatience = 300ms;
// The answer takes two seconds where other questions come first, and there is none where the kernel
// cannot be asked, or in the replay of a recording that was made without.
constexpr Nanos kAnswerPatience = 5s;
// Where every connection ends in an improbable way (tcp_max_tw_buckets) only so many are asked for.
constexpr Nanos kAskEvery = 5ms;  // 200 a second
constexpr std::int64_t kAskAtOnce = 200;
// An event may have been lost this long before the end.
constexpr Nanos kTooLateToFollow = 1ms;

// By an RST, a restart of the timer or a child, of which the other half is missing.
bool is_ambiguous(Canceller canceller) {
  return canceller == Canceller::Unknown || canceller == Canceller::Segment;
}

bool is_ambiguous(const RequestEvent& last) {
  if (last.listener_closed) return false;
  return last.canceller != Canceller::Abort && last.canceller != Canceller::Netns;
}

}  // namespace

// Defined for the three kinds of events that end something.
template <typename E>
void Lifecycle::suspect_end(Id id, PendingEnd pending_end, const E& event) {
  Connection& connection = table_[id];
  connection.pending_end = pending_end;
  connection.end_asked = false;
  ColdState& cold = table_.cold_state(connection);
  cold.pending_at = event.at;
  cold.pending_cpu = event.cpu;
  cold.pending_serial = ++pending_so_far_;
  cold.pending_event = event;
  pending_ends_.push_back({event.at + kGrace, id, table_.generation(id), cold.pending_serial});
}
template void Lifecycle::suspect_end(Id, PendingEnd, const TransitionEvent&);
template void Lifecycle::suspect_end(Id, PendingEnd, const TimewaitEvent&);
template void Lifecycle::suspect_end(Id, PendingEnd, const RequestEvent&);

bool Lifecycle::is_pending(const Deadline& due) const {
  if (!table_.alive(due.id, due.generation)) return false;
  const Connection& connection = table_[due.id];
  const ColdState* cold = table_.find_cold_state(connection);
  return connection.pending_end != PendingEnd::None && cold != nullptr && cold->pending_serial == due.serial;
}

void Lifecycle::resolve_pending_ends(Nanos now) {
  // Those that are put back land behind `count`, in order: all wait equally long.
  for (std::size_t count = pending_ends_.size(); count > 0 && pending_ends_.front().at <= now; --count) {
    Deadline due = pending_ends_.front();
    pending_ends_.pop_front();
    if (!is_pending(due)) continue;
    const ColdState* cold = table_.find_cold_state(table_[due.id]);
    const bool heard =
        cold->pending_cpu < cpu_last_.size() && cpu_last_[cold->pending_cpu] > cold->pending_at;
    if (!heard && now < cold->pending_at + kPatience) {
      due.at = now + kGrace;
      pending_ends_.push_back(due);
    } else if (is_improbable(table_[due.id]) && may_ask(table_[due.id].carrier, now)) {
      ask_about_end(due.id, now);
    } else {
      resolve(due.id);
    }
  }
  while (!asked_.empty() && asked_.front().at <= now) {
    const Deadline due = asked_.front();
    asked_.pop_front();
    if (is_pending(due)) resolve(due.id);
  }
}

void Lifecycle::resolve_last_pending_ends(Nanos now) {
  for (std::deque<Deadline>* pending : {&asked_, &pending_ends_})
    while (!pending->empty()) {
      const Deadline due = pending->front();
      pending->pop_front();
      if (!is_pending(due)) continue;
      const bool open = table_.find_cold_state(table_[due.id])->pending_at + kTooLateToFollow >= now;
      if (!open) resolve(due.id);
    }
}

void Lifecycle::resolve(Id id) {
  const PendingEnd pending_end = table_[id].pending_end;
  table_[id].pending_end = PendingEnd::None;
  if (pending_end == PendingEnd::Closed) {
    const auto event = std::get<TransitionEvent>(table_.cold_state(table_[id]).pending_event);
    return settle_closed(id, event);
  }
  if (table_[id].carrier == Carrier::Minisock) {
    auto cancel = std::get<TimewaitEvent>(table_.cold_state(table_[id]).pending_event);
    if (cancel.canceller == Canceller::Segment && lost_since(cancel.at))
      cancel.canceller = Canceller::Unknown;  // perhaps a re-arm, whose start was lost
    return end_minisock(id, cancel, false);
  }
  table_[id].pending_end = pending_end;
  end_request(id);
}

bool Lifecycle::is_improbable(const Connection& connection) const {
  const ColdState* cold = table_.find_cold_state(connection);
  if (const auto* closed = std::get_if<TransitionEvent>(&cold->pending_event))
    return leads_to_minisock(*closed) && !connection.reset_sent;
  if (const auto* timer = std::get_if<TimewaitEvent>(&cold->pending_event))
    return is_ambiguous(timer->canceller);
  const auto* request = std::get_if<RequestEvent>(&cold->pending_event);
  return request != nullptr && is_ambiguous(*request);
}

// A flood of half-open requests leaves what is asked about sockets alone.
bool Lifecycle::may_ask(Carrier carrier, Nanos now) {
  Nanos& until = carrier == Carrier::Request ? asked_requests_until_ : asked_sockets_until_;
  const Nanos from = std::max(until, now - kAskAtOnce * kAskEvery);
  if (from + kAskEvery > now) return false;
  until = from + kAskEvery;
  return true;
}

// A segment for a minisock whose timer was cancelled, but not by the same call: it is there.
void Lifecycle::heard_of_minisock(Id id, Nanos at) {
  const Connection& connection = table_[id];
  if (connection.pending_end == PendingEnd::Cancelled && at > table_.find_cold_state(connection)->pending_at + kGrace)
    went_on(id, at);
}

void Lifecycle::ask_about_end(Id id, Nanos now) {
  Connection& connection = table_[id];
  connection.end_asked = true;
  ask(id, false, true);
  const std::uint32_t serial = table_.find_cold_state(connection)->pending_serial;
  asked_.push_back({now + kAnswerPatience, id, table_.generation(id), serial});
}

void Lifecycle::end_answered(Id id, const InquiryEvent& answer) {
  const Connection& connection = table_[id];
  if (answer.presence != Presence::Present || is_successor(id, answer)) return resolve(id);
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
  if (lost_since(table_.find_cold_state(table_[id])->pending_at))
    count_resync(at);
  else if (table_[id].verdict != Verdict::Hide)
    ++unseen_;
}

// Its timer was started again: by a segment, of which the first that finds the substate changed was
// the FIN; or the SYN-ACK was sent again.
void Lifecycle::went_on(Id id, Nanos at) {
  was_no_end(id, at);
  if (table_[id].carrier == Carrier::Minisock) restarted(id);
  table_[id].pending_end = PendingEnd::None;
  table_.tidy(table_[id]);
  watch(id);
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
  watch(id, closed.at);
}

// Its child came, and nothing was seen of it so far.
void Lifecycle::went_on_as_socket(Id id, const InquiryEvent& answer) {
  if (table_.by_cookie(answer.cookie) != kNone) return resolve(id);  // it is known already
  was_no_end(id, answer.at);
  become_child(id, answer);
}

}  // namespace tcpdwell
