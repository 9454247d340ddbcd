// SPDX-License-Identifier: Apache-2.0
// Sockets that a walk through a network namespace found. A SnapshotEvent is in order with the other
// events: earlier events happened before the socket was read. So if the state differs from the
// table, an event was lost. A socket that is not in the table is older than the trace.
#include <algorithm>

#include "lifecycle/lifecycle.h"
#include "lifecycle/state_begin.h"
#include "lifecycle/state_memory.h"

namespace tcpdwell {

// A connection from before the walk that the walk did not find: its end was lost, or the walk could
// not see it. Ask the kernel about each.
void Lifecycle::snapshot_ended() {
  resync_.snapshot_ended();
  table_.for_each([this](Id id) {
    const Connection& connection = table_[id];
    if (connection.snapshot == resync_.walk() || connection.pending_end != PendingEnd::None) return;
    if (connection.carrier == Carrier::Newborn) return forget(id);  // it never grew up
    if (connection.flag != FlagStage::Asked) questions_.ask(id);
  });
}

void Lifecycle::on_event(const SnapshotEvent& event) {
  switch (event.kind) {
    case SocketKind::Full: return found_full(event);
    case SocketKind::Minisock: return found_minisock(event);
    case SocketKind::Request: return found_request(event);
  }
}

// Sets the begin of the connection's state.
void Lifecycle::date(Connection& connection, StateBegin begin) {
  if (begin.is_exact()) {
    const Nanos half = (begin.latest - *begin.earliest) / 2;
    connection.entered = begin.latest - half;
    connection.entered_known = true;
    table_.set_entered_error(connection, half);
    return;
  }
  connection.entered = begin.latest;
  connection.entered_known = false;
  table_.set_entered_earliest(connection, begin.earliest);
}

// The newborn or request that became the full socket of `event`; kNone: not in the table.
Lifecycle::Id Lifecycle::predecessor_of(const SnapshotEvent& event) {
  Id newborn = table_.by_object(event.object);
  if (newborn != kNone && table_[newborn].carrier != Carrier::Newborn) newborn = kNone;
  if (newborn != kNone && resync_.lost_since(table_[newborn].entered)) {
    forget(newborn);  // may be another socket at the same kernel address
    newborn = kNone;
  }
  const Id request = table_.by_flow(event.flow);
  if (request == kNone || table_[request].carrier != Carrier::Request) return newborn;
  if (newborn != kNone && event.state != State::SynReceived) forget(newborn);
  return request;
}

void Lifecycle::found_full(const SnapshotEvent& event) {
  if (event.state == State::Listen) queues_.listener_seen(event.flow.netns_cookie);
  Id id = table_.by_cookie(event.cookie);
  if (id != kNone) {
    Connection& connection = table_[id];
    connection.snapshot = resync_.walk();
    if (connection.carrier != Carrier::Full || connection.pending_end == PendingEnd::Closed) return;
    if (connection.state != event.state) {
      resync_.count_resync(event.at);
      bridge_gap(id, event.state, event.at);
      return learn_port(id, event.flow.local);
    }
    if (connection.entered_known) return;
    const StateBegin before{connection.entered, table_.entered_earliest(connection)};
    date(connection, before.narrowed_by(begin_of_socket(event, config_.hz)));
    if (connection.flag != FlagStage::Asked) flags_.watch(id);
    return;
  }
  if (const Id former = predecessor_of(event); former != kNone) {
    table_[former].snapshot = resync_.walk();
    if (event.state == State::SynReceived) return;  // its transition is about to come
    table_.forget_object(former);
    table_.forget_flow(former);
    resync_.count_resync(event.at);
    promote(former, event.cookie, event.flow, event.sock_cgroup_id);
    return bridge_gap(former, event.state, event.at);
  }
  id = create();
  table_.index_cookie(id, event.cookie);
  Connection& connection = table_[id];
  connection.orphan = event.dead;
  if (event.state == State::Listen) connection.role = Role::Listener;
  if (event.state == State::SynSent) connection.role = Role::Client;
  if (event.state == State::Listen || event.state == State::SynSent)
    connection.opened_by = Side::Local;
  connection.closed_by = first_fin(event.state);
  connection.sock_cgroup_id = event.sock_cgroup_id;
  StateBegin begin = begin_of_socket(event, config_.hz);
  if (config_.memory != nullptr) begin = config_.memory->recall(event, begin);
  date(connection, begin);
  if (event.mptcp && event.state != State::Established) flags_.is_subflow(id);
  finish_found(id, event);
}

void Lifecycle::date_request(Connection& connection, const SnapshotEvent& event) {
  if (event.syn_at.count() == 0) return;
  connection.entered = event.syn_at;
  connection.entered_known = true;
  table_.set_entered_error(connection, std::chrono::microseconds{1});  // resolution of the stamp
}

void Lifecycle::found_minisock(const SnapshotEvent& event) {
  const TimewaitEvent seen{.at = event.at,
                           .object = event.object,
                           .cookie = event.cookie,
                           .flow = event.flow,
                           .left_jiffies = event.left_jiffies,
                           .entry_stamp_ms = event.entry_stamp_ms,
                           .substate = event.state};
  Id known = known_minisock(seen);
  if (known == kNone) known = minisock_without_start(seen);
  if (known != kNone) {
    table_[known].snapshot = resync_.walk();
    if (table_[known].pending_end == PendingEnd::Cancelled) retract_end(known, event.at);
    if (table_[known].origin_lost) assume_origin(known, event.at);
    if (table_[known].state == State::FinWait2 && event.state == State::TimeWait &&
        table_[known].pending_end == PendingEnd::None)
      apply_unseen_fin(known, seen);
    return;
  }
  retire_object(event.object, event.at);
  Id id = event.cookie != 0 ? table_.by_cookie(event.cookie) : kNone;
  const bool start_lost = id != kNone && table_[id].carrier == Carrier::Full &&
                          table_[id].pending_end == PendingEnd::None;
  if (start_lost) {
    table_[id].snapshot = resync_.walk();
    resync_.count_resync(event.at);
    if (table_[id].state != event.state) bridge_gap(id, event.state, event.at);
  } else {
    id = create();
    table_[id].cookie = event.cookie;
    date(table_[id], begin_of_minisock(event, config_.hz));
  }
  table_.index_object(id, event.object);
  Connection& connection = table_[id];
  connection.carrier = Carrier::Minisock;
  connection.orphan = event.state == State::FinWait2;
  if (connection.orphan) connection.closed_by = Side::Local;
  learn_minisock(connection, seen);
  finish_found(id, event);
}

void Lifecycle::found_request(const SnapshotEvent& event) {
  if (const Id known = table_.by_object(event.object); known != kNone &&
                                                       table_[known].carrier == Carrier::Request &&
                                                       table_.has_flow(table_[known], event.flow)) {
    table_[known].snapshot = resync_.walk();
    if (table_[known].pending_end != PendingEnd::None) retract_end(known, event.at);
    if (table_[known].entered_known) return;
    date_request(table_[known], event);  // its first event was a retransmit
    return flags_.watch(known);
  }
  replace(table_.by_object(event.object), event.at);
  replace(table_.by_flow(event.flow), event.at);
  const Id id = create();
  table_.index_object(id, event.object);
  Connection& connection = table_[id];
  connection.carrier = Carrier::Request;
  connection.cookie = event.cookie;
  connection.role = Role::Server;
  connection.opened_by = Side::Remote;
  connection.entered = event.at;
  connection.entered_known = false;
  date_request(connection, event);
  table_.set_flow(connection, event.flow);
  table_.index_flow(id);
  finish_found(id, event);
}

void Lifecycle::finish_found(Id id, const SnapshotEvent& event) {
  Connection& connection = table_[id];
  if (!table_.has_flow(connection, event.flow)) table_.set_flow(connection, event.flow);
  connection.state = event.state;
  connection.port_bound = event.port_bound;
  connection.timestamped = event.timestamps;
  if (connection.carrier != Carrier::Request) publisher_.reconsider(connection, false);
  if (hidden_by_flow(id)) return forget(id);
  flags_.watch(id);
}

}  // namespace tcpdwell
