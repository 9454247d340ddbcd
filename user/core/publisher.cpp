// SPDX-License-Identifier: Apache-2.0
#include "core/publisher.h"

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

constexpr std::size_t kMaxCgroups = 65536;

std::uint64_t cgroup_id_of(const Connection& connection) {
  if (connection.owner && connection.owner->via != Via::Close)
    return connection.owner->process.cgroup_id;
  return connection.sock_cgroup_id;
}

std::optional<Dwell> dwell_of(const StateTime& time) {
  if (!time.visited) return std::nullopt;
  if (time.lower_bound) return Dwell{time.total, std::nullopt};
  return Dwell{time.total, time.error};
}

}  // namespace

void Publisher::opened(Connection& connection, State from, Why why) {
  if (connection.told) return;
  connection.told = true;
  publish(connection, {.when = when(connection.entered),
                       .socket = describe(connection),
                       .from = from,
                       .to = connection.state,
                       .dwell = std::nullopt,
                       .why = why});
}

Dwell Publisher::moved(Connection& connection, State to, Nanos at, Nanos error, Why why) {
  // Two CPUs stamp their events before they queue them: a later one can be a little earlier.
  at = std::max(at, connection.entered);
  Dwell dwell{at - connection.entered, connection.entered_error + error};
  StateTime& time = connection.times[index(connection.state)];
  time.visited = true;
  time.total += dwell.value;
  time.error += *dwell.error;
  if (!connection.entered_known) {
    time.lower_bound = true;
    dwell.error = std::nullopt;
  }
  const State from = connection.state;
  connection.state = to;
  connection.entered = at;
  connection.entered_error = error;
  connection.entered_known = true;
  publish(connection, {.when = when(at),
                       .socket = describe(connection),
                       .from = from,
                       .to = to,
                       .dwell = dwell,
                       .why = why});
  return dwell;
}

bool Publisher::flagged(Connection& connection, Nanos at, FlagRecord record) {
  if (connection.verdict != Verdict::Show) return false;
  record.when = when(at);
  record.socket = describe(connection);
  if (filter_.wants(record)) sink_.write(record);
  return true;
}

void Publisher::ended(Connection& connection, Nanos at, Ended ended,
                      std::optional<TimeWaitEnded> time_wait) {
  reconsider(connection, true);
  if (connection.verdict != Verdict::Show) return;
  ConnectionRecord record{.when = when(at),
                          .socket = describe(connection),
                          .dwell = {},
                          .closer = connection.closer,
                          .opened_by = connection.opened_by,
                          .closed_by = connection.closed_by,
                          .ended = ended,
                          .time_wait_ended = time_wait,
                          .tally = connection.tally};
  std::transform(connection.times.begin(), connection.times.end(), record.dwell.begin(), dwell_of);
  if (filter_.wants(record)) sink_.write(record);
}

void Publisher::reconsider(Connection& connection, bool complete) {
  if (connection.verdict == Verdict::NotYet) connection.verdict = judge(connection, complete);
  if (connection.verdict == Verdict::Hide) connection.held.clear();
  // A client's port is chosen after its first transition; a listener's is there.
  if (complete || connection.flow.local.port != 0) connection.announced = true;
  if (connection.verdict == Verdict::Show && connection.announced) let_go(connection);
}

Verdict Publisher::judge(const Connection& connection, bool complete) {
  const bool flow_complete = complete || connection.role == Role::Listener;
  const Verdict flow = filter_.on_flow(connection.flow, flow_complete);
  if (flow == Verdict::Hide) return flow;
  std::optional<std::string> cgroup;
  // Where the socket is a child nobody accepted yet, its cgroup is its listener's: not the one
  // that will own it.
  const bool owned = connection.owner && connection.owner->via != Via::Close;
  if (!filter_.cgroup.empty() && (owned || complete))
    if (const std::string* path = path_of(connection)) cgroup = *path;
  const Verdict owner = filter_.on_owner(connection.owner, cgroup, complete);
  const Verdict followed = filter_.on_followed(connection.followed, complete);
  if (owner == Verdict::Hide || followed == Verdict::Hide) return Verdict::Hide;
  const bool all = flow == Verdict::Show && owner == Verdict::Show && followed == Verdict::Show;
  return all ? Verdict::Show : Verdict::NotYet;
}

void Publisher::publish(Connection& connection, TransitionRecord record) {
  if (connection.verdict == Verdict::Hide || filter_.flags_only) return;
  if (connection.verdict == Verdict::Show && connection.announced) {
    if (filter_.wants(record)) sink_.write(record);
    return;
  }
  connection.held.push_back(std::move(record));
  reconsider(connection, false);
}

// What was held was described too early: the flow is filled in. The owner is not: it was not
// known at the time.
void Publisher::let_go(Connection& connection) {
  for (TransitionRecord& record : connection.held) {
    record.socket.flow = connection.flow;
    if (record.socket.cookie == 0) record.socket.cookie = connection.cookie;
    if (filter_.wants(record)) sink_.write(record);
  }
  connection.held.clear();
  connection.held.shrink_to_fit();
}

SocketInfo Publisher::describe(const Connection& connection) {
  SocketInfo info{.cookie = connection.cookie,
                  .life = connection.life,
                  .flow = connection.flow,
                  .role = connection.role,
                  .owner = connection.owner,
                  .cgroup = {}};
  if (const std::string* path = path_of(connection)) info.cgroup = *path;
  return info;
}

const std::string* Publisher::path_of(const Connection& connection) {
  const std::uint64_t id = cgroup_id_of(connection);
  if (id == 0) return nullptr;
  // Containers come and go: what is forgotten is asked for again.
  if (cgroups_.size() >= kMaxCgroups && !cgroups_.contains(id)) cgroups_.clear();
  const auto [it, is_new] = cgroups_.try_emplace(id);
  if (is_new) unknown_cgroups_.push_back(id);
  return it->second.known ? &it->second.path : nullptr;
}

void Publisher::cgroup(std::uint64_t id, std::string path) {
  cgroups_[id] = {std::move(path), true};
}

std::vector<std::uint64_t> Publisher::take_unknown_cgroups() {
  return std::exchange(unknown_cgroups_, {});
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
