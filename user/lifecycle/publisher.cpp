// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/publisher.h"

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

std::optional<Dwell> dwell_of(const StateTime& time) {
  if (!time.visited) return std::nullopt;
  if (time.lower_bound) return Dwell{time.total, std::nullopt};
  return Dwell{time.total, time.error};
}

}  // namespace

void Publisher::opened(Connection& connection, State from, Why why) {
  if (connection.first_published) return;
  connection.first_published = true;
  publish(connection, {.at = connection.entered,
                       .from = from,
                       .to = connection.state,
                       .why = why,
                       .owned = connection.owner != 0});
}

void Publisher::date(FlagRecord& flag, Nanos at) const {
  flag.when = when(at);
  if (flag.dwell.error)
    flag.dwell.error =
        sum_of_errors(*flag.dwell.error, dwells_.suspended_within(at - flag.dwell.value, at));
}

bool Publisher::flagged(Connection& connection, Nanos at, FlagRecord record) {
  if (connection.verdict != Verdict::Show) return false;
  date(record, at);
  describe(connection, true, record.socket);
  if (record.raised)
    code_places_.add_to(record, connection.cookie, connection.opened_by == Side::Unknown);
  if (filter_.wants(record)) sink_.write(record);
  return true;
}

void Publisher::flagged(const SocketInfo& socket, std::uint64_t cgroup_id, Nanos at,
                        FlagRecord record) {
  date(record, at);
  record.socket = socket;
  if (record.raised) code_places_.add_to(record, socket.cookie, false);
  const std::string* path = cgroups_.path_of(cgroup_id);
  record.socket.cgroup = path == nullptr ? std::string_view() : *path;
  if (filter_.wants(record)) sink_.write(record);
}

SocketInfo Publisher::socket_info(const Connection& connection) const {
  return {.cookie = connection.cookie,
          .life = table_.life(connection),
          .flow = table_.flow(connection),
          .role = connection.role,
          .owner = owner_of(connection),
          .cgroup = {}};
}

Verdict Publisher::judge(const SocketInfo& socket, std::uint64_t cgroup_id) {
  if (filter_.on_flow(socket.flow, true) == Verdict::Hide ||
      filter_.on_followed(false, true) == Verdict::Hide)
    return Verdict::Hide;
  std::optional<std::string> cgroup;
  if (filter_.asks_for_cgroup()) {
    const std::string* path = cgroups_.path_of(cgroup_id);
    if (path == nullptr && cgroup_id != 0) return Verdict::NotYet;
    if (path != nullptr) cgroup = *path;
  }
  return filter_.on_owner(socket.owner, cgroup, true);
}

bool Publisher::queued(const QueuedChild& child, bool followed, Nanos at, FlagRecord record) {
  const std::string* path = cgroups_.path_of(child.sock_cgroup_id);
  const std::optional<std::string> cgroup = path ? std::optional(*path) : std::nullopt;
  const auto passes = [&](const std::optional<Owner>& owner) {
    return filter_.on_owner(owner, cgroup, true) == Verdict::Show;
  };
  const bool wanted =
      filter_.on_flow(child.flow, true) == Verdict::Show &&
      filter_.on_followed(followed, true) == Verdict::Show &&
      (passes(std::nullopt) ||
       std::any_of(record.holders.begin(), record.holders.end(), [&](const Holder& holder) {
         return passes(Owner{holder.process, Via::Fd});
       }));
  if (!wanted) return false;
  date(record, at);
  record.socket.cgroup = path ? std::string_view(*path) : std::string_view();
  if (filter_.wants(record)) sink_.write(record);
  return true;
}

// Filters by the state at the time of the flag.
void Publisher::left_queue(const QueuedChild& child, Nanos at, FlagRecord record) {
  const std::string* path = cgroups_.path_of(child.sock_cgroup_id);
  date(record, at);
  record.socket.cgroup = path ? std::string_view(*path) : std::string_view();
  const State state = std::exchange(record.state, child.state);
  if (!filter_.wants(record)) return;
  record.state = state;
  sink_.write(record);
}

void Publisher::ended(Connection& connection, const HeldTransition& last, Ended ended,
                      std::optional<TimeWaitEnded> time_wait) {
  reconsider(connection, true);
  if (connection.verdict != Verdict::Show) return;
  ++passed_.connections;
  if (!needs_.connections) return;
  Record any(std::in_place_type<ConnectionRecord>);
  auto& record = *std::get_if<ConnectionRecord>(&any);
  record.when = when(last.at);
  describe(connection, true, record.socket);
  record.opened_by = connection.opened_by;
  record.closed_by = connection.closed_by;
  record.ended = ended;
  record.time_wait_ended = time_wait;
  if (const Process* closer = table_.closer(connection)) record.closer = Owner{*closer, Via::Close};
  record.tally = table_.tally(connection);
  const auto times = dwells_.times(connection, last);
  std::transform(times.begin(), times.end(), record.dwell.begin(), dwell_of);
  if (filter_.wants(record)) sink_.write(any);
}

void Publisher::decide(Connection& connection, bool complete) {
  if (connection.verdict == Verdict::NotYet) {
    const std::string* path = needs_path(connection, complete) ? path_of(connection) : nullptr;
    connection.verdict = judge(connection, complete, path);
  }
  // A client's port is chosen after its first transition; a listener has one.
  if (complete || connection.local_port != 0) connection.announced = true;
  const bool hidden = connection.verdict == Verdict::Hide;
  if (hidden || (connection.verdict == Verdict::Show && connection.announced))
    flush_held(connection);
}

// A child that is not accepted yet has the cgroup of its listener, not of its later owner.
bool Publisher::needs_path(const Connection& connection, bool complete) const {
  const bool owned = connection.owner != 0 && connection.owner_via != Via::Close;
  return filter_.asks_for_cgroup() && (owned || complete);
}

bool Publisher::passes(const Connection& connection) const {
  if (connection.verdict != Verdict::NotYet) return connection.verdict == Verdict::Show;
  const std::string* path = needs_path(connection, true) ? known_path_of(connection) : nullptr;
  return judge(connection, true, path) == Verdict::Show;
}

// `path`: of the connection's cgroup; nullptr: not known or not needed.
Verdict Publisher::judge(const Connection& connection, bool complete,
                         const std::string* path) const {
  const bool flow_complete = complete || connection.role == Role::Listener;
  const Verdict flow = filter_.on_flow(table_.flow(connection), flow_complete);
  if (flow == Verdict::Hide) return flow;
  std::optional<std::string> cgroup;
  if (path != nullptr) cgroup = *path;
  const Verdict owner = filter_.on_owner(owner_of(connection), cgroup, complete);
  const Verdict followed = filter_.on_followed(connection.followed, complete);
  if (owner == Verdict::Hide || followed == Verdict::Hide) return Verdict::Hide;
  const bool all = flow == Verdict::Show && owner == Verdict::Show && followed == Verdict::Show;
  return all ? Verdict::Show : Verdict::NotYet;
}

void Publisher::publish(Connection& connection, const HeldTransition& change) {
  if (connection.verdict == Verdict::Hide || filter_.flags_only) return;
  if (connection.verdict == Verdict::Show && connection.announced) return write(connection, change);
  table_.cold_state(connection).held.push_back(change);
  decide(connection, false);
}

void Publisher::write(const Connection& connection, const HeldTransition& change) {
  ++passed_.transitions;
  if (!needs_.transitions) return;
  auto& transition = *std::get_if<TransitionRecord>(&record_);
  transition.when = when(change.at);
  if (needs_.whose) describe(connection, change.owned, transition.socket);
  transition.from = change.from;
  transition.to = change.to;
  transition.why = change.why;
  transition.syns_sent = change.syns_sent;
  transition.dwell.reset();
  if (change.has_dwell) {
    transition.dwell = Dwell{change.dwell, std::nullopt};
    if (change.error_known) transition.dwell->error = change.error;
  }
  transition.full_queue.reset();
  if (transition.retransmitted() && change.has_dwell)
    transition.full_queue =
        full_listeners_.during(table_.flow(connection), change.from == State::SynSent,
                               change.at - change.dwell, change.at);
  if (filter_.wants(transition)) sink_.write(record_);
}

// Uses the current flow and cgroup, but the owner as of each transition.
void Publisher::flush_held(Connection& connection) {
  if (connection.cold == 0) return;
  auto& held = table_.cold_state(connection).held;
  if (connection.verdict == Verdict::Show)
    for (const HeldTransition& change : held) write(connection, change);
  held.clear();
  table_.tidy(connection);
}

std::optional<Owner> Publisher::owner_of(const Connection& connection) const {
  if (const Process* process = table_.owner(connection))
    return Owner{*process, connection.owner_via};
  return std::nullopt;
}

void Publisher::describe(const Connection& connection, bool owned, SocketInfo& info) {
  info.cookie = connection.cookie;
  info.life = table_.life(connection);
  info.flow = table_.flow(connection);
  info.role = connection.role;
  info.owner.reset();
  if (owned) info.owner = owner_of(connection);
  const std::string* path = path_of(connection);
  info.cgroup = path == nullptr ? std::string_view() : *path;
}

std::uint64_t Publisher::cgroup_id_of(const Connection& connection) const {
  if (connection.owner != 0 && connection.owner_via != Via::Close)
    return table_.owner(connection)->cgroup_id;
  return connection.sock_cgroup_id;
}

const std::string* Publisher::known_path_of(const Connection& connection) const {
  return cgroups_.known_path_of(cgroup_id_of(connection));
}

Dwell Publisher::age_of(const Connection& connection, Nanos now) const {
  Dwell age{now - connection.entered, std::nullopt};
  if (connection.entered_known)
    age.error = sum_of_errors(table_.entered_error(connection),
                              dwells_.suspended_within(connection.entered, now));
  return age;
}

void Publisher::suspended(const SuspendEvent& event) {
  sink_.write(ClockRecord{.when = when(event.at), .suspended = event.length});
}

void Publisher::lost(const LossEvent& event, std::uint64_t resynced) {
  sink_.write(LostRecord{.when = when(event.at),
                         .cause = event.cause,
                         .events = event.events,
                         .transitions = event.transitions,
                         .at_most = event.at_most,
                         .resynced = resynced});
}

}  // namespace tcpdwell
