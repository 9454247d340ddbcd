// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/lifecycle.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "lifecycle/connection_rules.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// Retransmits of a SYN, after one and three seconds, show the local port. A deferred SYN
// (TCP_FASTOPEN_CONNECT) has none: publish without the port then.
constexpr Nanos kPortWait = 4s;
// If listen() fails, it fails within microseconds.
constexpr Nanos kListenGrace = 50ms;
constexpr std::size_t kSmallTable = 8192;  // connections: a megabyte
constexpr Nanos kMptcpScanDelay = 1s;      // scan for the descriptor of a closed MPTCP socket

}  // namespace

Lifecycle::Lifecycle(const LifecycleConfig& config, const Filter& filter, Sink& sink)
    : config_(config),
      table_(config.max_connections),
      dwells_(table_),
      publisher_(filter, sink, table_, dwells_),
      resync_(publisher_, config.began),
      questions_(table_),
      pending_(table_),
      stale_(
          table_,
          {.asks_soon = config.asks_soon, .sees_segments = config.sees_segments, .hz = config.hz}),
      flags_(config_, table_, publisher_, resync_, questions_, recent_closes_),
      dead_(config_, table_, publisher_, flags_),
      run_(config_, table_, publisher_, flags_, dead_, recent_closes_),
      queues_(config.thresholds.accept, table_, publisher_) {}

void Lifecycle::on(const Event& event) {
  std::visit([this](const auto& e) { on_event(e); }, event);
  assert(is_legal_after(event));
}

// True if the connection of the event violates no rule of connection_rules.h.
bool Lifecycle::is_legal_after(const Event& event) const {
  Id by_cookie = kNone, by_object = kNone;
  if (const auto* transition = std::get_if<TransitionEvent>(&event)) {
    by_cookie = table_.by_cookie(transition->cookie);
  } else if (const auto* timewait = std::get_if<TimewaitEvent>(&event)) {
    by_object = table_.by_object(timewait->object);
  } else if (const auto* request = std::get_if<RequestEvent>(&event)) {
    by_object = table_.by_object(request->object);
  } else if (const auto* found = std::get_if<SnapshotEvent>(&event)) {
    by_cookie = table_.by_cookie(found->cookie);
    by_object = table_.by_object(found->object);
  } else if (const auto* answer = std::get_if<InquiryEvent>(&event)) {
    if (table_.alive(answer->id, answer->generation)) by_cookie = answer->id;
  }
  return (by_cookie == kNone || broken_rule(table_[by_cookie]) == nullptr) &&
         (by_object == kNone || broken_rule(table_[by_object]) == nullptr);
}

void Lifecycle::expect(const Event& event) const {
  if (const auto* transition = std::get_if<TransitionEvent>(&event))
    table_.prefetch_cookie(transition->cookie);
  else if (const auto* timewait = std::get_if<TimewaitEvent>(&event))
    table_.prefetch_object(timewait->object);
  else if (const auto* request = std::get_if<RequestEvent>(&event))
    table_.prefetch_object(request->object);
}

// A small table is in the cache anyway.
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
  if (undecided && connection.flag == FlagStage::None)
    flags_.watch(id);  // its flag may have come due
  flags_.accepted(id, event.at);
}

// The kernel hid how it began: no transition gave it a cookie. Its next transition, or a walk,
// shows the rest.
void Lifecycle::accepted_unseen(const AcceptEvent& event) {
  if (event.cookie != 0 || !resync_.is_walked() || resync_.lost_since(event.at)) return;
  resync_.count_unseen_birth(event.at);
  const Id id = create_child(event.object, event.at);
  table_[id].entered_known = false;
  table_.set_owner(table_[id], event.task, Via::Accept);
  table_[id].followed = event.followed;
}

void Lifecycle::on_event(const ResetEvent& event) {
  pending_.saw_cpu(event.cpu, event.at);
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

void Lifecycle::on_event(const ClockEvent& event) { publisher_.clock(event.offset); }

// Applies the filter again to connections that waited for this cgroup path.
void Lifecycle::on_event(const CgroupEvent& event) {
  publisher_.cgroups().learn(event.id, event.path);
  if (!publisher_.filter().asks_for_cgroup()) return;
  table_.for_each([this](Id id) {
    Connection& connection = table_[id];
    if (connection.verdict != Verdict::NotYet || connection.carrier == Carrier::Newborn) return;
    publisher_.reconsider(connection, false);
    if (connection.flag == FlagStage::None) flags_.watch(id);
  });
}

void Lifecycle::on_event(const NamespaceEvent& event) { table_.port_ranges().learn(event); }

// The reader sends facts about processes together with the walk.
void Lifecycle::on_event(const AcceptQueuesEvent& event) {
  queues_.walked(event, flags_.facts_of(event.at));
}

void Lifecycle::on_event(const SuspendEvent& event) {
  dwells_.suspended(event);
  publisher_.suspended(event);
}

// Only a scan of all descriptors finds the descriptor of a closed MPTCP socket.
void Lifecycle::on_event(const MptcpChangeEvent& event) {
  const bool held = event.socket.attached && !event.socket.dead;
  if (event.to == State::Closed && held && watches_descriptors())
    dead_.want_look(event.at + std::min(*dead_.threshold(), kMptcpScanDelay));
  const Id id = table_.by_cookie(event.socket.cookie);
  if (id == kNone || table_[id].carrier != Carrier::Full) return;
  if (table_[id].pending_end == PendingEnd::Closed) return;
  table_.touch(id);
  flags_.mptcp_changed(id, event);
}

void Lifecycle::on_event(const MptcpEvent& event) {
  for (const MptcpSubflow& subflow : event.subflows) {
    const Id id = table_.by_cookie(subflow.cookie);
    if (id == kNone || table_[id].carrier != Carrier::Full) continue;
    if (table_[id].pending_end == PendingEnd::Closed) continue;
    flags_.found_mptcp(id, subflow);
    if (table_[id].flag != FlagStage::Asked) flags_.watch(id);
  }
}

void Lifecycle::tick(Nanos now) {
  publish_listening_until(now - kListenGrace);
  pending_.advance(now, [&](Id id, PendingEnds::Step step) {
    if (step == PendingEnds::Step::Ask)
      ask_about_end(id, now);
    else
      resolve(id);
  });
  run_.advance(now);
  flags_.advance(now);
  for (const Id id : stale_.due(now)) {
    if (table_[id].carrier != Carrier::Newborn) {
      questions_.ask(id);
    } else {
      resync_.count_unseen(table_[id], State::Established, now);
      forget(id);
    }
  }
  resync_.report_if_due(now);
  if (now >= failed_connects_due_ || publisher_.wants_failures_at_once())
    publish_failed_connects(now);
  while (!without_port_.empty() && without_port_.front().at + kPortWait <= now) {
    const PendingOpen syn = without_port_.front();
    without_port_.pop_front();
    if (!table_.alive(syn.id, syn.generation)) continue;
    table_[syn.id].announced = true;
    publisher_.reconsider(table_[syn.id], false);
  }
}

void Lifecycle::finish(Nanos now) {
  tick(now);
  publish_listening_until(now);
  resync_.report(now);
  publish_failed_connects(now);
  pending_.finish(now, [this](Id id) { resolve(id); });
  table_.for_each([this](Id id) {
    Connection& connection = table_[id];
    if (connection.carrier == Carrier::Newborn) return;
    publisher_.reconsider(connection, true);
  });
  run_.finish();
  if (config_.exit_grace) flags_.note_longest_of_open(now);
}

void Lifecycle::finish_life(Id id, Nanos at, const Ending& ending,
                            std::optional<TimeWaitEnded> time_wait, std::uint8_t syns_sent) {
  Connection& connection = table_[id];
  if (connection.closed_by == Side::Unknown) connection.closed_by = ending.closed_by;
  const HeldTransition last = move(id, State::Closed, at, Nanos{0}, ending.why, syns_sent);
  publisher_.ended(connection, last, ending.ended, time_wait);
  ++ended_;
  forget(id);
}

// The end was lost: between the last event of the connection and `at`.
void Lifecycle::end_unseen(Id id, Nanos at) {
  Connection& connection = table_[id];
  if (connection.carrier == Carrier::Full) {
    resync_.count_unseen(connection, State::Closed, at);
    if (const auto threshold = dead_.threshold()) dead_.want_look(at + *threshold);
  }
  const Nanos half = (std::max(at, connection.entered) - connection.entered) / 2;
  const bool waited = connection.state == State::TimeWait;
  const HeldTransition last =
      move(id, State::Closed, connection.entered + half, half, Why::Unknown);
  publisher_.ended(connection, last, waited ? Ended::Fin : Ended::Unknown,
                   waited ? std::optional(TimeWaitEnded::Unknown) : std::nullopt);
  ++ended_;
  forget(id);
}

Lifecycle::Id Lifecycle::create() {
  if (const Id victim = table_.victim(); victim != kNone) forget(victim);
  const Id id = table_.create();
  table_[id].snapshot = resync_.walk();
  return id;
}

void Lifecycle::forget(Id id) {
  flags_.drop(id);
  publisher_.code_places().ended(table_[id].cookie);
  table_.erase(id);
}

// Every state change of a connection except the first.
HeldTransition Lifecycle::move(Id id, State to, Nanos at, Nanos error, Why why,
                               std::uint8_t syns_sent) {
  Connection& connection = table_[id];
  if (connection.state == State::Listen) publish_listening(id);
  HeldTransition change = dwells_.move(connection, to, at, error, why);
  change.syns_sent = syns_sent;
  publisher_.moved(connection, change);
  Dwell dwell{change.dwell, std::nullopt};
  if (change.error_known) dwell.error = change.measured_error;
  flags_.on_state_left(id, change.from, dwell, change.at);
  flags_.watch(id);
  return change;
}

std::vector<WatchedState> Lifecycle::watched_states(Nanos now) const {
  std::array<WatchedState, kStates> all{};
  flags_.add_watched(now, all);
  dead_.add_watched(now, all[index(State::Closed)]);
  std::vector<WatchedState> watched;
  for (std::size_t i = 1; i < kStates; ++i) {
    if (!config_.thresholds.of[i]) continue;
    watched.push_back(all[i]);
    watched.back().state = static_cast<State>(i);
    watched.back().threshold = *config_.thresholds.of[i];
  }
  if (const auto queued = queues_.watched(now)) watched.push_back(*queued);
  return watched;
}

// The kernel side drops all further events of such a connection, so it would never leave the table.
bool Lifecycle::hidden_by_flow(Id id) {
  Connection& connection = table_[id];
  return connection.verdict == Verdict::Hide &&
         publisher_.filter().on_flow(table_.flow(connection), connection.role == Role::Listener) ==
             Verdict::Hide;
}

}  // namespace tcpdwell
