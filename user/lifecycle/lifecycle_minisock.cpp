// SPDX-License-Identifier: Apache-2.0
// Minisocks: TIME_WAIT, and the FIN_WAIT_2 of a socket that nobody holds.
#include <algorithm>
#include <variant>

#include "lifecycle/lifecycle.h"
#include "model/kernel_time.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kStampDelay = 2ms;  // a stamp is a whole millisecond, and its event comes after it

// A minisock without a cookie can be given one: `ss -e` does.
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
    find_origin(id, State::FinWait2,
                std::get<TimewaitEvent>(table_.cold_state(table_[id]).pending_event));
  switch (event.op) {
    case TimerOp::Segment: heard_of_minisock(id, event.at); return rearm_minisock(id, event);
    case TimerOp::Cancel:
      if (table_[id].pending_end == PendingEnd::Cancelled) restarted(id);
      return pending_.add(id, PendingEnd::Cancelled, event);
    case TimerOp::Expire: return end_minisock(id, event, true);
    case TimerOp::Start: return;
  }
}

// Its start tells when its FIN came, if that is not seen: before it is in TIME_WAIT.
void Lifecycle::learn_minisock(Connection& connection, const TimewaitEvent& event) {
  connection.minisock_cookie = event.cookie != 0;
  if (event.substate == State::FinWait2)
    table_.set_minisock_start(connection, {.due = event.at + jiffies(event.left_jiffies),
                                           .entry_stamp_ms = event.entry_stamp_ms});
}

Lifecycle::Id Lifecycle::known_minisock(const TimewaitEvent& event) {
  const Id id = table_.by_object(event.object);
  if (id == kNone || table_[id].carrier != Carrier::Minisock) return kNone;
  // One without a cookie whose addresses were used again at once, and its memory, too.
  const Connection& connection = table_[id];
  const bool given_later = !connection.minisock_cookie && event.cookie != 0;
  if (given_later && table_.by_cookie(event.cookie) != kNone) return kNone;
  const bool same =
      may_have_cookie(connection, event.cookie) && table_.has_flow(connection, event.flow);
  return same ? id : kNone;
}

// One whose start did not come: of a socket that seems to have ended, or that is known to be there
// without its address.
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
  if (ended) went_on_as_minisock(id, event.substate, event.at);
  connection.minisock_cookie = event.cookie != 0 && event.cookie == connection.cookie;
  table_.forget_cookie(id);
  table_.forget_flow(id);
  table_.index_object(id, event.object);
  return id;
}

// ... or of a socket that is thought to be there: nothing came of how it left.
Lifecycle::Id Lifecycle::minisock_without_close(const TimewaitEvent& event) {
  const Id id = event.cookie != 0 ? table_.by_cookie(event.cookie) : kNone;
  if (id == kNone) return kNone;
  Connection& connection = table_[id];
  if (connection.carrier != Carrier::Full || connection.pending_end != PendingEnd::None)
    return kNone;
  Flow known = table_.flow(connection);
  if (known.local.port == 0) known.local.port = event.flow.local.port;
  if (is_zero(known.local)) known.local.addr = event.flow.local.addr;
  if (known != event.flow) return kNone;  // of another life of one descriptor
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

// The address of a minisock was reused: the one before is over, and its end was seen or lost.
void Lifecycle::retire_object(std::uint64_t object, Nanos at) {
  const Id id = table_.by_object(object);
  if (id == kNone || table_[id].carrier != Carrier::Minisock) return;
  if (table_[id].pending_end == PendingEnd::None)
    give_up(id, at);
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
  ++connection.question;  // what is said of the full socket is no answer any more
  connection.orphan = event.substate == State::FinWait2;
  if (!table_.has_flow(connection, event.flow)) table_.set_flow(connection, event.flow);
  learn_minisock(connection, event);
  if (connection.state == State::FinWait2 || connection.state == State::Closing) {
    find_origin(id, connection.state, event);
  } else {
    connection.origin_lost = true;
    table_.cold_state(connection).pending_event = event;
  }
  flags_.watch(id, event.at);
}

// A segment came, or restarted the timer. The first that finds the substate changed was the FIN,
// or what came after it.
void Lifecycle::rearm_minisock(Id id, const TimewaitEvent& event) {
  Connection& connection = table_[id];
  if (connection.state != State::FinWait2 || event.substate != State::TimeWait) return;
  const bool cancelled = connection.pending_end == PendingEnd::Cancelled;
  const auto before =
      cancelled ? std::get<TimewaitEvent>(table_.cold_state(connection).pending_event) : event;
  if (fin_came_before(connection, before))
    catch_up_with_fin(id, before);
  else
    move(id, State::TimeWait, event.at, Nanos{0}, Why::Fin);
}

// Its timer was cancelled, and is running again.
void Lifecycle::restarted(Id id) {
  rearm_minisock(
      id, TimewaitEvent(std::get<TimewaitEvent>(table_.cold_state(table_[id]).pending_event)));
}

// Where segments are not seen: a FIN that left the timer in its bucket showed in nothing. But by
// the next restart the timer is no longer the one that the minisock began with, or the stamp is
// not of now.
bool Lifecycle::fin_came_before(const Connection& connection, const TimewaitEvent& event) const {
  const MinisockStart* start = table_.minisock_start(connection);
  if (stamp_changed(start, event))
    return event.at - unwrap_ms(event.entry_stamp_ms, event.at) > kStampDelay;
  return event.op == TimerOp::Cancel && start != nullptr &&
         event.at + jiffies(event.left_jiffies) > start->due + jiffies(2);
}

// A minisock that we did not see begin, or whose full socket had no cookie. One that just starts
// is followed by the last transition of its socket, which says where it came from.
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
  // A timer that has run out says when it was armed last; it may have been armed before. One that
  // is cancelled earlier may still be the shorter one of FIN_WAIT_2, if the FIN came just now.
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

// It is in TIME_WAIT and we have not seen the FIN: its time is left in the minisock.
void Lifecycle::catch_up_with_fin(Id id, const TimewaitEvent& event) {
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
    catch_up_with_fin(id, event);
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
