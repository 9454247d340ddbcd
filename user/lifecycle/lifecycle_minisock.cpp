// SPDX-License-Identifier: Apache-2.0
// Minisocks: TIME_WAIT, and the FIN_WAIT_2 of an orphan.
#include <algorithm>
#include <variant>

#include "lifecycle/lifecycle.h"
#include "model/kernel_time.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// A stamp is in whole milliseconds, and its event follows it.
constexpr Nanos kStampDelay = 2ms;

// A minisock without a cookie can get one later: `ss -e` assigns it.
bool may_have_cookie(const Connection& connection, std::uint64_t cookie) {
  return !connection.minisock_cookie || cookie == 0 || connection.cookie == cookie;
}

bool stamp_changed(const MinisockStart* start, const TimewaitEvent& event) {
  return start != nullptr && event.entry_stamp_ms != 0 && start->entry_stamp_ms != 0 &&
         event.entry_stamp_ms != start->entry_stamp_ms;
}

}  // namespace

void Lifecycle::on_event(const TimewaitEvent& event) {
  pending_.saw_cpu(event.cpu, event.at);
  if (event.op == TimerOp::Start) return start_minisock(event);
  Id id = known_minisock(event);
  if (id == kNone) id = minisock_without_start(event);
  if (id == kNone) id = minisock_without_close(event);
  if (id == kNone) {
    if (event.op == TimerOp::Segment) return;
    id = adopt_minisock(event);
    if (id == kNone) return;
  }
  table_.touch(id);
  if (table_[id].origin_lost)
    resolve_origin(id, State::FinWait2,
                   std::get<TimewaitEvent>(table_.cold_state(table_[id]).pending_event));
  switch (event.op) {
    case TimerOp::Segment: on_minisock_segment(id, event.at); return rearm_minisock(id, event);
    case TimerOp::Cancel:
      if (table_[id].pending_end == PendingEnd::Cancelled) on_timer_restarted(id);
      return pending_.add(id, PendingEnd::Cancelled, event);
    case TimerOp::Expire: return end_minisock(id, event, true);
    case TimerOp::Start: return;
  }
}

// Keeps the start of a FIN_WAIT_2 minisock: it dates a FIN that is not seen.
void Lifecycle::learn_minisock(Connection& connection, const TimewaitEvent& event) {
  connection.minisock_cookie = event.cookie != 0;
  if (event.substate == State::FinWait2)
    table_.set_minisock_start(connection, {.due = event.at + jiffies(event.left_jiffies),
                                           .entry_stamp_ms = event.entry_stamp_ms});
}

Lifecycle::Id Lifecycle::known_minisock(const TimewaitEvent& event) {
  const Id id = table_.by_object(event.object);
  if (id == kNone || table_[id].carrier != Carrier::Minisock) return kNone;
  // A minisock without a cookie may be another one now: same memory, same addresses.
  const Connection& connection = table_[id];
  const bool given_later = !connection.minisock_cookie && event.cookie != 0;
  if (given_later && table_.by_cookie(event.cookie) != kNone) return kNone;
  const bool same =
      may_have_cookie(connection, event.cookie) && table_.has_flow(connection, event.flow);
  return same ? id : kNone;
}

// A minisock whose start was not received: of a socket with a pending end, or a minisock in the
// table whose address is not known.
Lifecycle::Id Lifecycle::minisock_without_start(const TimewaitEvent& event) {
  Id id = event.cookie != 0 ? table_.by_cookie(event.cookie) : kNone;
  if (id == kNone || !table_.has_flow(table_[id], event.flow)) id = table_.by_flow(event.flow);
  if (id == kNone) return kNone;
  Connection& connection = table_[id];
  const bool ended =
      connection.pending_end == PendingEnd::Closed && pending_.is_improbable(connection);
  const bool there = connection.carrier == Carrier::Minisock && connection.object == 0 &&
                     may_have_cookie(connection, event.cookie);
  if (!ended && !there) return kNone;
  retire_object(event.object, event.at);
  if (ended) continue_as_minisock(id, event.substate, event.at);
  connection.minisock_cookie = event.cookie != 0 && event.cookie == connection.cookie;
  table_.forget_cookie(id);
  table_.forget_flow(id);
  table_.index_object(id, event.object);
  return id;
}

// A minisock of a full socket in the table: neither the start nor the CLOSE was received.
Lifecycle::Id Lifecycle::minisock_without_close(const TimewaitEvent& event) {
  const Id id = event.cookie != 0 ? table_.by_cookie(event.cookie) : kNone;
  if (id == kNone) return kNone;
  Connection& connection = table_[id];
  if (connection.carrier != Carrier::Full || connection.pending_end != PendingEnd::None)
    return kNone;
  Flow known = table_.flow(connection);
  if (known.local.port == 0) known.local.port = event.flow.local.port;
  if (is_zero(known.local)) known.local.addr = event.flow.local.addr;
  if (known != event.flow) return kNone;  // another life of the same descriptor
  if (!table_.has_flow(connection, event.flow)) table_.set_flow(connection, event.flow);
  retire_object(event.object, event.at);
  resync_.count_resync(event.at);
  if (connection.state == State::FinWait2)
    resync_.count_unseen(connection, State::TimeWait, event.at);
  else
    bridge_gap(id, connection.state == State::Closing ? State::TimeWait : State::FinWait2,
               event.at);
  connection.carrier = Carrier::Minisock;
  connection.orphan = event.substate == State::FinWait2;
  connection.minisock_cookie = true;
  ++connection.question;
  table_.forget_cookie(id);
  table_.index_object(id, event.object);
  flags_.watch(id, event.at);
  return id;
}

// The kernel address of a minisock was reused: that minisock is over.
void Lifecycle::retire_object(std::uint64_t object, Nanos at) {
  const Id id = table_.by_object(object);
  if (id == kNone || table_[id].carrier != Carrier::Minisock) return;
  if (table_[id].pending_end == PendingEnd::None)
    end_unseen(id, at);
  else
    resolve(id);
}

void Lifecycle::start_minisock(const TimewaitEvent& event) {
  if (const Id known = known_minisock(event); known != kNone) {
    rearm_minisock(known, event);
    table_[known].pending_end = PendingEnd::None;
    return table_.tidy(table_[known]);
  }
  retire_object(event.object, event.at);
  Id id = event.cookie != 0 ? table_.by_cookie(event.cookie) : kNone;
  if (id == kNone || table_[id].carrier != Carrier::Full ||
      table_[id].pending_end == PendingEnd::Closed) {
    id = minisock_without_start(event);
    if (id == kNone)
      adopt_minisock(event);
    else
      rearm_minisock(id, event);
    return;
  }
  table_.touch(id);
  table_.index_object(id, event.object);
  Connection& connection = table_[id];
  connection.carrier = Carrier::Minisock;
  ++connection.question;  // an answer about the full socket is stale
  connection.orphan = event.substate == State::FinWait2;
  if (!table_.has_flow(connection, event.flow)) table_.set_flow(connection, event.flow);
  learn_minisock(connection, event);
  if (connection.state == State::FinWait2 || connection.state == State::Closing) {
    resolve_origin(id, connection.state, event);
  } else {
    connection.origin_lost = true;
    table_.cold_state(connection).pending_event = event;
  }
  flags_.watch(id, event.at);
}

// A segment came, or restarted the timer. If the substate is TIME_WAIT now, it was the FIN or a
// later segment.
void Lifecycle::rearm_minisock(Id id, const TimewaitEvent& event) {
  Connection& connection = table_[id];
  if (connection.state != State::FinWait2 || event.substate != State::TimeWait) return;
  const bool cancelled = connection.pending_end == PendingEnd::Cancelled;
  const auto before =
      cancelled ? std::get<TimewaitEvent>(table_.cold_state(connection).pending_event) : event;
  if (fin_came_before(connection, before))
    apply_unseen_fin(id, before);
  else
    move(id, State::TimeWait, event.at, Nanos{0}, Why::Fin);
}

// The timer was cancelled and started again.
void Lifecycle::on_timer_restarted(Id id) {
  rearm_minisock(
      id, TimewaitEvent(std::get<TimewaitEvent>(table_.cold_state(table_[id]).pending_event)));
}

// Without segment events, a FIN that leaves the timer in its bucket causes no event. At the next
// restart, the stamp is older than the event, or the timer is due later than the first one was.
bool Lifecycle::fin_came_before(const Connection& connection, const TimewaitEvent& event) const {
  const MinisockStart* start = table_.minisock_start(connection);
  if (stamp_changed(start, event))
    return event.at - unwrap_ms(event.entry_stamp_ms, event.at) > kStampDelay;
  return event.op == TimerOp::Cancel && start != nullptr &&
         event.at + jiffies(event.left_jiffies) > start->due + jiffies(2);
}

// A minisock whose start was not seen, or whose full socket had no cookie. After a Start, the last
// transition of the full socket follows and shows the state before.
Lifecycle::Id Lifecycle::adopt_minisock(const TimewaitEvent& event) {
  if (publisher_.filter().on_flow(event.flow, true) == Verdict::Hide) return kNone;
  const Id id = create();
  table_.index_object(id, event.object);
  Connection& connection = table_[id];
  connection.carrier = Carrier::Minisock;
  connection.cookie = event.cookie;
  table_.set_flow(connection, event.flow);
  connection.state = event.substate;
  connection.orphan = event.substate == State::FinWait2;
  learn_minisock(connection, event);
  connection.closed_by = event.substate == State::FinWait2 ? Side::Local : Side::Unknown;
  if (event.op == TimerOp::Start) {
    connection.entered = event.at;
    connection.entered_known = event.substate == State::TimeWait;
    connection.origin_unknown = true;
    if (!connection.entered_known)
      connection.entered = resync_.unseen_since(event.at, table_.evicted() > 0);
    table_.index_flow(id);
    flags_.watch(id);
    return id;
  }
  // An expired timer shows when it was last armed; TIME_WAIT may have begun before. A cancelled
  // timer may still be the shorter one of FIN_WAIT_2, if the FIN has just come.
  connection.entered_known = false;
  if (event.substate != State::TimeWait)
    connection.entered = resync_.unseen_since(event.at, table_.evicted() > 0);
  else if (event.op == TimerOp::Expire || event.left_jiffies <= 0)
    connection.entered = event.at + jiffies(event.left_jiffies) - kTimeWaitLength;
  else
    connection.entered = event.at;
  connection.entered = std::min(connection.entered, event.at);
  flags_.watch(id);
  return id;
}

// The minisock is in TIME_WAIT and the FIN was not seen: dates it from the stamp or the timer.
void Lifecycle::apply_unseen_fin(Id id, const TimewaitEvent& event) {
  const bool stamped = stamp_changed(table_.minisock_start(table_[id]), event);
  const Nanos fin = stamped ? unwrap_ms(event.entry_stamp_ms, event.at)
                            : event.at + jiffies(event.left_jiffies) - kTimeWaitLength;
  const Nanos error = stamped ? Nanos{1ms} : jiffies(1);
  move(id, State::TimeWait, std::min(fin, event.at), error, Why::Fin);
}

void Lifecycle::end_minisock(Id id, const TimewaitEvent& event, bool expired) {
  Connection& connection = table_[id];
  connection.pending_end = PendingEnd::None;
  if (connection.state == State::FinWait2 && event.substate == State::TimeWait)
    apply_unseen_fin(id, event);
  if (connection.state == State::TimeWait) {
    const TimeWaitEnded how = expired ? TimeWaitEnded::Expired : end_of_time_wait(event.canceller);
    return finish_life(id, event.at, {Ended::Fin, why_of(how), Side::Unknown}, how);
  }
  finish_life(
      id, event.at,
      expired ? Ending{Ended::Timeout, Why::Timeout, Side::Local} : end_of_orphan(event.canceller),
      std::nullopt);
}

Nanos Lifecycle::jiffies(std::int64_t count) const {
  return Nanos{count * (1'000'000'000 / static_cast<std::int64_t>(config_.hz))};
}

}  // namespace tcpdwell
