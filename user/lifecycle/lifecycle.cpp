// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/lifecycle.h"

#include <algorithm>

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// A SYN retransmit, after one second and after three, shows the port. A deferred SYN
// (TCP_FASTOPEN_CONNECT) shows none.
constexpr Nanos kSilentSyn = 4s;
// listen() has failed within microseconds, or not at all.
constexpr Nanos kListenSure = 50ms;
// An event may have been lost this long before the loss was noticed.
constexpr Nanos kLossReach = 1ms;
constexpr Nanos kLossTold = 2s;               // how late a loss may be told
constexpr std::size_t kSmallTable = 8192;  // connections: a megabyte
constexpr Nanos kPutRight = 1s;            // what is put right within it is told at once

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

Lifecycle::Lifecycle(const LifecycleConfig& config, const Filter& filter, Sink& sink)
    : config_(config),
      table_(config.max_connections),
      publisher_(filter, sink, table_),
      queues_(config.thresholds.accept, table_, publisher_),
      timers_(config.began) {}

void Lifecycle::on(const Event& event) {
  std::visit([this](const auto& e) { on_event(e); }, event);
}

// Which index will be asked for it.
void Lifecycle::expect(const Event& event) const {
  if (const auto* transition = std::get_if<TransitionEvent>(&event))
    table_.prefetch_cookie(transition->cookie);
  else if (const auto* timewait = std::get_if<TimewaitEvent>(&event))
    table_.prefetch_object(timewait->object);
  else if (const auto* request = std::get_if<RequestEvent>(&event))
    table_.prefetch_object(request->object);
}

// ... which is there by now, and leads to the connection. A small table is in the cache as it is.
void Lifecycle::expect_soon(const Event& event) const {
  if (table_.size() < kSmallTable) return;
  Id id = kNone;
  if (const auto* transition = std::get_if<TransitionEvent>(&event))
    id = table_.by_cookie(transition->cookie);
  else if (const auto* timewait = std::get_if<TimewaitEvent>(&event))
    id = table_.by_object(timewait->object);
  if (id != kNone) table_.prefetch(id);
}

void Lifecycle::on_event(const AcceptEvent& event) {
  queues_.accepted(event);
  Id id = table_.by_cookie(event.cookie);
  if (id == kNone) {  // a Fast Open child can be accepted before its second transition
    id = table_.by_object(event.object);
    if (id == kNone || table_[id].carrier != Carrier::Newborn) return accepted_unseen(event);
  }
  Connection& connection = table_[id];
  if (connection.owner != 0 && connection.owner_via != Via::Fd) return;
  table_.set_owner(connection, event.task, Via::Accept);
  connection.followed |= event.followed;
  if (connection.carrier == Carrier::Newborn) return;
  const bool undecided = connection.verdict == Verdict::NotYet;
  publisher_.reconsider(connection, false);
  if (undecided && connection.flag == FlagStage::None) watch(id);  // its flag may have come due
  watch_accepted(id, event.at);
}

// The kernel hid how it began: no transition gave it a cookie. Its next one, or a walk, tells the rest.
void Lifecycle::accepted_unseen(const AcceptEvent& event) {
  const bool older = !walked_ || first_walk_;
  if (event.cookie != 0 || older || lost_since(event.at)) return;
  count_unseen(transitions_between(State::Listen, State::Established), event.at);
  const Id id = create_child(event.object, event.at);
  table_[id].entered_known = false;
  table_.set_owner(table_[id], event.task, Via::Accept);
  table_[id].followed = event.followed;
}

void Lifecycle::on_event(const ResetEvent& event) {
  saw_cpu(event.cpu, event.at);
  if (event.state == State::Listen) {
    if (listener_reset_.size() <= event.cpu) listener_reset_.resize(event.cpu + 1, Nanos{-1});
    listener_reset_[event.cpu] = event.at;
    return;
  }
  const Id id = table_.by_cookie(event.cookie);
  if (id == kNone) return;
  Connection& connection = table_[id];
  connection.reset_sent = true;
  connection.reset_memory |= event.memory;
  if (connection.pending_end == PendingEnd::Closed) resolve(id);
}

void Lifecycle::on_event(const SynEvent& event) {
  const Id id = table_.by_cookie(event.cookie);
  if (id == kNone || table_[id].carrier != Carrier::Full) return;
  table_.set_flow(table_[id], event.flow);
  publisher_.reconsider(table_[id], false);
  if (hidden_by_flow(id)) forget(id);
}

void Lifecycle::on_event(const LossEvent& event) {
  if (event.events > 0 || !event.counted) {
    last_loss_ = event.at;
    last_loss_cause_ = event.cause;
    wants_snapshot_ = true;
  }
  // A loss by recursion is told up to a second late: it explains what was missing meanwhile.
  if (event.cause == LossCause::Recursion) {
    const std::uint64_t explained = std::min(unexplained_, event.transitions);
    unexplained_ -= explained;
    unseen_ -= explained;
  }
  if (event.counted) publisher_.lost(event, std::exchange(resynced_, 0));
}

// At least so many transitions are between the two states; a loss that was counted explains them.
void Lifecycle::count_unseen(const Connection& connection, State to, Nanos at) {
  if (connection.verdict == Verdict::Hide || lost_since(connection.entered)) return;
  count_unseen(transitions_between(connection.state, to), at);
}

void Lifecycle::count_unseen(std::uint64_t count, Nanos at) {
  if (at > unexplained_since_ + kLossTold) {
    unexplained_ = 0;
    unexplained_since_ = at;
  }
  unexplained_ += count;
  unseen_ += count;
  wants_snapshot_ = true;  // where one is hidden, those beside it may be: a FIN, say
}

// The kernel's word differed from ours. What was never counted as lost has no `lost` record.
void Lifecycle::count_resync(Nanos at) {
  if (last_loss_.count() < 0) return;
  if (resynced_++ == 0) resynced_at_ = at;
}

void Lifecycle::report_resync(Nanos at) {
  if (resynced_ == 0) return;
  publisher_.lost({.at = at, .cause = last_loss_cause_}, std::exchange(resynced_, 0));
}

void Lifecycle::on_event(const ClockEvent& event) { publisher_.clock(event.offset); }

// Connections that wait for a cgroup's name to be decided are looked at again at their next event.
void Lifecycle::on_event(const CgroupEvent& event) {
  publisher_.cgroup(event.id, event.path);
  if (!publisher_.filter().asks_for_cgroup()) return;
  table_.for_each([this](Id id) {
    Connection& connection = table_[id];
    if (connection.verdict != Verdict::NotYet || connection.carrier == Carrier::Newborn) return;
    publisher_.reconsider(connection, false);
    if (connection.flag == FlagStage::None) watch(id);
  });
}

void Lifecycle::on_event(const NamespaceEvent& event) { table_.port_ranges().learn(event); }

void Lifecycle::saw_cpu(std::uint32_t cpu, Nanos at) {
  if (cpu_last_.size() <= cpu) cpu_last_.resize(cpu + 1, Nanos{-1});
  cpu_last_[cpu] = at;
}

void Lifecycle::tick(Nanos now) {
  tell_listening_until(now - kListenSure);
  resolve_pending_ends(now);
  if (config_.exit_grace)
    run_.resolve(now - *config_.exit_grace, [this](const auto& judged) { tell(judged); });
  timers_.advance(now, [this](Id id) { flag_due(id); });
  look_for_stale(now);
  if (now >= resynced_at_ + kPutRight) report_resync(now);
  if (now >= failed_connects_due_ || publisher_.wants_failures_at_once()) tell_failed_connects(now);
  while (!silent_syns_.empty() && silent_syns_.front().at + kSilentSyn <= now) {
    const PendingSyn syn = silent_syns_.front();
    silent_syns_.pop_front();
    if (!table_.alive(syn.id, syn.generation)) continue;
    table_[syn.id].announced = true;
    publisher_.reconsider(table_[syn.id], false);
  }
}

void Lifecycle::finish(Nanos now) {
  tick(now);
  tell_listening_until(now);
  report_resync(now);
  tell_failed_connects(now);
  resolve_last_pending_ends(now);
  table_.for_each([this](Id id) {
    Connection& connection = table_[id];
    if (connection.carrier == Carrier::Newborn) return;
    publisher_.reconsider(connection, true);
  });
  if (config_.exit_grace) finish_run(now);
}

void Lifecycle::finish_life(Id id, Nanos at, const Ending& ending,
                            std::optional<TimeWaitEnded> time_wait) {
  Connection& connection = table_[id];
  if (connection.closed_by == Side::Unknown) connection.closed_by = ending.closed_by;
  move(id, State::Closed, at, Nanos{0}, ending.why);
  publisher_.ended(connection, at, ending.ended, time_wait);
  ++ended_;
  forget(id);
}

// Its end was lost; it was there when it was heard of last, and is not at `at`.
void Lifecycle::give_up(Id id, Nanos at) {
  Connection& connection = table_[id];
  if (connection.carrier == Carrier::Full) {
    count_unseen(connection, State::Closed, at);
    if (const auto threshold = threshold_of_closed()) dead_.want_look(at + *threshold);
  }
  const Nanos half = (std::max(at, connection.entered) - connection.entered) / 2;
  const bool waited = connection.state == State::TimeWait;
  move(id, State::Closed, connection.entered + half, half, Why::Unknown);
  publisher_.ended(connection, connection.entered, waited ? Ended::Fin : Ended::Unknown,
                   waited ? std::optional(TimeWaitEnded::Unknown) : std::nullopt);
  ++ended_;
  forget(id);
}

Lifecycle::Id Lifecycle::create() {
  if (const Id surplus = table_.surplus(); surplus != kNone) forget(surplus);
  const Id id = table_.create();
  table_[id].snapshot = snapshots_;
  return id;
}

void Lifecycle::forget(Id id) {
  drop_flag(id);
  table_.erase(id);
}

// All but the first change of a connection's state go through here.
Dwell Lifecycle::move(Id id, State to, Nanos at, Nanos error, Why why) {
  Connection& connection = table_[id];
  const State from = connection.state;
  if (from == State::Listen) tell_listening(id);
  const Dwell dwell = publisher_.moved(connection, to, at, error, why);
  on_state_left(id, from, dwell, at);
  watch(id);
  return dwell;
}

bool Lifecycle::lost_since(Nanos at) const {
  return last_loss_.count() >= 0 && last_loss_ + kLossReach >= at;
}

// The kernel side drops the further events of such a connection: it would stay for ever.
bool Lifecycle::hidden_by_flow(Id id) {
  Connection& connection = table_[id];
  return connection.verdict == Verdict::Hide &&
         publisher_.filter().on_flow(table_.flow(connection), connection.role == Role::Listener) ==
             Verdict::Hide;
}

}  // namespace tcpdwell
