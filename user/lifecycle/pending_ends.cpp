// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/pending_ends.h"

#include <variant>

#include "lifecycle/ending.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// An end is resolved once its CPU reported another event, since the event that would explain it
// comes next on the same CPU. Not before kGrace; and after kMaxWait without such an event, since a
// virtual CPU can be descheduled.
constexpr Nanos kGrace = 50ms;
constexpr Nanos kMaxWait = 300ms;
// An answer takes two seconds if other questions come first. There is none if the kernel cannot be
// asked, or if a recording without answers is replayed.
constexpr Nanos kMaxAnswerWait = 5s;
// The event that explains an end follows within this time.
constexpr Nanos kFollowsWithin = 1ms;

// The second event of a pair is missing: an RST, a restart of the timer, or a child.
bool is_ambiguous(Canceller canceller) {
  return canceller == Canceller::Unknown || canceller == Canceller::Segment;
}

bool is_ambiguous(const RequestEvent& last) {
  if (last.listener_closed) return false;
  return last.canceller != Canceller::Abort && last.canceller != Canceller::Netns;
}

}  // namespace

void PendingEnds::saw_cpu(std::uint32_t cpu, Nanos at) {
  if (cpu_last_.size() <= cpu) cpu_last_.resize(cpu + 1, Nanos{-1});
  cpu_last_[cpu] = at;
}

template <typename E>
void PendingEnds::add(Id id, PendingEnd pending_end, const E& event) {
  Connection& connection = table_[id];
  connection.pending_end = pending_end;
  connection.end_asked = false;
  ColdState& cold = table_.cold_state(connection);
  cold.pending_at = event.at;
  cold.pending_cpu = event.cpu;
  cold.pending_serial = ++serial_;
  cold.pending_event = event;
  waiting_.push_back({event.at + kGrace, id, table_.generation(id), cold.pending_serial});
}
template void PendingEnds::add(Id, PendingEnd, const TransitionEvent&);
template void PendingEnds::add(Id, PendingEnd, const TimewaitEvent&);
template void PendingEnds::add(Id, PendingEnd, const RequestEvent&);

void PendingEnds::asked(Id id, Nanos now) {
  table_[id].end_asked = true;
  const std::uint32_t serial = table_.find_cold_state(table_[id])->pending_serial;
  asked_.push_back({now + kMaxAnswerWait, id, table_.generation(id), serial});
}

bool PendingEnds::is_pending(const Deadline& due) const {
  if (!table_.alive(due.id, due.generation)) return false;
  const Connection& connection = table_[due.id];
  const ColdState* cold = table_.find_cold_state(connection);
  return connection.pending_end != PendingEnd::None && cold != nullptr &&
         cold->pending_serial == due.serial;
}

// All wait equally long, so requeued deadlines keep the order.
std::optional<PendingEnds::Due> PendingEnds::next(Nanos now) {
  while (!waiting_.empty() && waiting_.front().at <= now) {
    Deadline due = waiting_.front();
    waiting_.pop_front();
    if (!is_pending(due)) continue;
    const ColdState* cold = table_.find_cold_state(table_[due.id]);
    const bool heard =
        cold->pending_cpu < cpu_last_.size() && cpu_last_[cold->pending_cpu] > cold->pending_at;
    if (!heard && now < cold->pending_at + kMaxWait) {
      due.at = now + kGrace;
      waiting_.push_back(due);
      continue;
    }
    const bool ask = is_improbable(table_[due.id]) && may_ask(table_[due.id].carrier, now);
    return Due{due.id, ask ? Step::Ask : Step::Resolve};
  }
  while (!asked_.empty() && asked_.front().at <= now) {
    const Deadline due = asked_.front();
    asked_.pop_front();
    if (is_pending(due)) return Due{due.id, Step::Resolve};
  }
  return std::nullopt;
}

std::optional<PendingEnds::Id> PendingEnds::last(Nanos now) {
  for (std::deque<Deadline>* pending : {&asked_, &waiting_})
    while (!pending->empty()) {
      const Deadline due = pending->front();
      pending->pop_front();
      if (!is_pending(due)) continue;
      const Nanos since = table_.find_cold_state(table_[due.id])->pending_at;
      if (since + kFollowsWithin < now) return due.id;
    }
  return std::nullopt;
}

bool PendingEnds::is_improbable(const Connection& connection) const {
  const ColdState* cold = table_.find_cold_state(connection);
  if (const auto* closed = std::get_if<TransitionEvent>(&cold->pending_event))
    return leads_to_minisock(*closed) && !connection.reset_sent;
  if (const auto* timer = std::get_if<TimewaitEvent>(&cold->pending_event))
    return is_ambiguous(timer->canceller);
  const auto* request = std::get_if<RequestEvent>(&cold->pending_event);
  return request != nullptr && is_ambiguous(*request);
}

bool PendingEnds::is_contradicted(const Connection& connection, Nanos at) const {
  return connection.pending_end == PendingEnd::Cancelled &&
         at > table_.find_cold_state(connection)->pending_at + kGrace;
}

// A flood of half-open requests leaves the budget for sockets alone.
bool PendingEnds::may_ask(Carrier carrier, Nanos now) {
  return (carrier == Carrier::Request ? about_requests_ : about_sockets_).take(now);
}

}  // namespace tcpdwell
