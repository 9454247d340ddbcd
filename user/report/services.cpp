// SPDX-License-Identifier: Apache-2.0
#include "report/services.h"

#include <algorithm>

#include "host/service.h"
#include "sinks/escape.h"
#include "stats/exact.h"

namespace tcpdwell::reporting {
namespace {

constexpr std::string_view kOtherName = "other", kUnknownName = "unknown";
constexpr Services::Id kNone = ~Services::Id{0};
constexpr std::size_t kMostCgroups = 16'384, kMostPorts = 16'384;

std::uint64_t service_port_key(const Flow& flow) {
  return std::uint64_t{flow.netns} << 16U | flow.local.port;
}

void count_handshake(Handshakes& handshakes, const TransitionRecord& record) {
  const bool again = record.retransmitted(), slow = record.dwell->value >= Handshakes::kSlow;
  ++handshakes.ended;
  handshakes.sent_again += again ? 1 : 0;
  handshakes.slow += slow ? 1 : 0;
  handshakes.slow_again += again && slow ? 1 : 0;
}

}  // namespace

std::uint64_t Service::busy() const {
  std::uint64_t all = ended;
  for (const StateUse& state : states) all += state.entered + state.left;
  return all;
}

Services::Services() { services_.emplace_back().name = kOtherName; }

Services::Id Services::named(std::string_view name) {
  if (const auto it = by_name_.find(name); it != by_name_.end()) return it->second;
  if (services_.size() >= kMost) return kOther;
  const auto id = static_cast<Id>(services_.size());
  append_printable(services_.emplace_back().name, name);
  by_name_.emplace(name, id);
  return id;
}

Services::Id Services::of_cgroup(std::string_view cgroup) {
  if (cgroup.empty()) return kNone;
  if (const auto it = by_cgroup_.find(cgroup); it != by_cgroup_.end()) return it->second;
  const std::string service = service_of(cgroup);
  const Id id = service.empty() ? kNone : named(service);
  if (by_cgroup_.size() < kMostCgroups) by_cgroup_.emplace(cgroup, id);
  return id;
}

// A server's connection has no owner before accept(): its listener has one, or its predecessors
// had.
Services::Id Services::id_of(const Flow& flow, Role role, const Process* owner,
                             std::string_view cgroup) {
  if (const Id id = of_cgroup(cgroup); id != kNone) return id;
  const bool listens = role == Role::Listener || role == Role::Server;
  if (owner == nullptr) {
    const auto it = listens ? by_port_.find(service_port_key(flow)) : by_port_.end();
    return it != by_port_.end() ? it->second : named(kUnknownName);
  }
  const Id id = named(owner->comm_view());
  if (listens && by_port_.size() < kMostPorts)
    by_port_.insert_or_assign(service_port_key(flow), id);
  return id;
}

Services::Id Services::id_of(const SocketInfo& socket) {
  return id_of(socket.flow, socket.role, socket.owner ? &socket.owner->process : nullptr,
               socket.cgroup);
}

// Counts as Stats does.
void Services::count(Id id, const TransitionRecord& record) {
  Service& service = services_[id];
  if (record.dwell) {
    StateUse& from = service.states[index(record.from)];
    ++from.left;
    if (is_exact(*record.dwell))
      from.dwells.add(record.dwell->value);
    else
      ++from.inexact;
    if (record.to == State::Established && record.from == State::SynSent)
      count_handshake(service.out, record);
    if (record.to == State::Established && record.from == State::SynReceived)
      count_handshake(service.in, record);
  }
  if (record.to != State::Closed) ++service.states[index(record.to)].entered;
}

void Services::count(Id id, const ConnectionRecord& record) {
  Service& service = services_[id];
  if (record.socket.role == Role::Listener) return;
  ++service.ended;
  ++service.closed_by[static_cast<std::size_t>(record.closed_by)];
  service.resets += record.ended == Ended::ResetSent || record.ended == Ended::ResetReceived ||
                            record.ended == Ended::Refused
                        ? 1
                        : 0;
  if (const auto& waited = record.dwell[index(State::TimeWait)]) {
    ++service.time_waits;
    service.in_time_wait += waited->value;
  }
}

void Services::clear() {
  for (Service& service : services_) {
    std::string name = std::move(service.name);
    service = {};
    service.name = std::move(name);
  }
}

}  // namespace tcpdwell::reporting
