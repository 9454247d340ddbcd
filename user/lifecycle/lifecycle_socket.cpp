// SPDX-License-Identifier: Apache-2.0
// Full sockets: sock:inet_sock_set_state.
#include <algorithm>

#include "lifecycle/lifecycle.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// Failed connects come in bursts and share records: the first record waits for kFailedConnectsWait,
// the next for kFailedConnectsPause.
constexpr Nanos kFailedConnectsWait = 1s;
constexpr Nanos kFailedConnectsPause = 10s;

// A disconnected socket has no addresses any more, an auto-bound socket no port yet: keep known
// values.
void learn_flow(ConnectionTable& table, Connection& connection, const Flow& seen) {
  if (seen.remote.port == 0) {
    if (connection.local_port == 0) connection.local_port = seen.local.port;
    return;
  }
  if (table.has_flow(connection, seen)) return;
  Flow learned = seen;
  const Flow known = table.flow(connection);
  if (is_zero(seen.local)) learned.local.addr = known.local.addr;
  if (seen.local.port == 0) learned.local.port = known.local.port;
  table.set_flow(connection, learned);
}

void learn_closer(ConnectionTable& table, Connection& connection, const TransitionEvent& event) {
  if (!event.task || event.from == State::Closed) return;
  table.set_closer(connection, *event.task);
  if (connection.owner == 0) table.set_owner(connection, *event.task, Via::Close);
}

// How often the SYN or SYN-ACK of the handshake that `event` ends was sent; 0: not known. If the
// request of a child is not known for certain, a SYN cookie may have made it, without counting.
// After a simultaneous open the counter has both.
std::uint8_t syns_sent(const Connection& connection, const TransitionEvent& event,
                       const Resync& resync) {
  if (event.repair) return 0;
  if (event.to == State::Established && event.from == State::SynSent) return event.syns_sent;
  if (event.to == State::Established && event.from == State::SynReceived)
    return connection.role == Role::Server && connection.entered_known &&
                   !resync.lost_since(connection.entered)
               ? event.syns_sent
               : 0;
  if (event.to != State::Closed || event.from != State::SynSent || event.silent || !event.tally)
    return 0;
  return static_cast<std::uint8_t>(event.tally->retransmits < 255 ? event.tally->retransmits + 1
                                                                  : 255);
}

}  // namespace

void Lifecycle::on_event(const TransitionEvent& event) {
  pending_.saw_cpu(event.cpu, event.at);
  if (event.from == State::Closed) return begin_life(event);
  if (event.from == State::Listen && event.to == State::SynReceived) return begin_child(event);
  Id id = table_.by_cookie(event.cookie);
  if (id == kNone) id = adopt(event);
  if (id == kNone) return;
  table_.touch(id);
  if (table_[id].carrier == Carrier::Minisock) return on_close_after_minisock(id, event);
  if (table_[id].pending_end == PendingEnd::Closed) return;  // it ended; ignore stray events
  step(id, event);
}

void Lifecycle::begin_life(const TransitionEvent& event) {
  if (was_killed(event)) return;
  if (event.to != State::SynSent && event.to != State::Listen) return;
  if (const Id old = table_.by_cookie(event.cookie); old != kNone) {
    if (table_[old].carrier == Carrier::Minisock)
      table_.forget_cookie(old);
    else if (table_[old].pending_end == PendingEnd::Closed)
      resolve(old);
    else
      end_unseen(old, event.at);
  }
  dead_.used_again(event.cookie, event.at);
  const Id id = create();
  table_.index_cookie(id, event.cookie);
  Connection& connection = table_[id];
  const bool client = event.to == State::SynSent;
  table_.set_flow(connection, event.flow);
  table_.set_life(connection, event.life);
  connection.role = client ? Role::Client : Role::Listener;
  connection.opened_by = Side::Local;
  if (client && event.repair) {  // restored by TCP_REPAIR: the opener is not known
    connection.role = Role::Unknown;
    connection.opened_by = Side::Unknown;
  }
  connection.state = event.to;
  connection.entered = event.at;
  connection.sock_cgroup_id = event.sock_cgroup_id;
  connection.port_bound = event.flow.local.port != 0;
  if (event.task) table_.set_owner(connection, *event.task, client ? Via::Connect : Via::Listen);
  if (client) without_port_.push_back({event.at, id, table_.generation(id)});
  connection.followed = event.followed;
  if (!client) queues_.listener_seen(event.flow.netns_cookie);
  if (event.listen_unsure)
    pending_listens_.push_back({event.at, id, table_.generation(id)});
  else
    publisher_.opened(connection, State::Closed, client ? Why::Connect : Why::Listen);
  flags_.watch(id);
  if (hidden_by_flow(id)) forget(id);
}

// Before 6.18 the child still has the cookie and flow of its listener here. Its next transition has
// its own; except for Fast Open, that follows within microseconds. Until then the key is the kernel
// address, and no record is published.
Lifecycle::Id Lifecycle::create_child(std::uint64_t object, Nanos at) {
  replace(table_.by_object(object), at);
  const Id id = create();
  table_.index_object(id, object);
  Connection& connection = table_[id];
  connection.carrier = Carrier::Newborn;
  connection.role = Role::Server;
  connection.opened_by = Side::Remote;
  connection.state = State::SynReceived;
  connection.entered = at;
  return id;
}

Lifecycle::Id Lifecycle::adopt(const TransitionEvent& event) {
  if (event.to == State::Closed)
    if (const Id id = table_.by_flow(event.flow);
        id != kNone && table_[id].carrier == Carrier::Minisock && table_[id].origin_unknown)
      return id;
  return event.from == State::SynReceived ? adopt_child(event) : adopt_older(event);
}

Lifecycle::Id Lifecycle::adopt_child(const TransitionEvent& event) {
  Id newborn = table_.by_object(event.object);
  if (newborn != kNone && table_[newborn].carrier != Carrier::Newborn) newborn = kNone;
  if (newborn != kNone && resync_.lost_since(table_[newborn].entered)) {
    forget(newborn);  // may be another child at the same kernel address
    newborn = kNone;
  }
  if (event.to == State::Closed && event.err == 0 && !event.fastopen && !event.attached) {
    // The kernel failed to create the child. The request may have ended without an event, since its
    // child existed.
    if (newborn != kNone) forget(newborn);
    if (const Id request = table_.by_flow(event.flow);
        request != kNone && table_[request].carrier == Carrier::Request &&
        table_[request].pending_end == PendingEnd::None)
      questions_.ask(request);
    return kNone;
  }
  Id id = table_.by_flow(event.flow);
  if (id != kNone && table_[id].carrier != Carrier::Request) id = kNone;
  if (id != kNone) {
    table_.forget_object(id);
    table_.forget_flow(id);
    if (newborn != kNone) {
      table_.copy_owner(table_[id], table_[newborn]);
      forget(newborn);
    }
  } else if (newborn != kNone) {
    // No request: Fast Open creates the child at the SYN; with a SYN cookie the time of the SYN is
    // not known.
    id = newborn;
    table_.forget_object(id);
    table_[id].entered_known = event.fastopen;
  } else {
    return adopt_older(event);
  }
  table_[id].followed |= event.followed;
  promote(id, event.cookie, event.flow, event.sock_cgroup_id);
  return id;
}

// Turns a request or newborn into a full socket. Remove it from all indexes before.
void Lifecycle::promote(Id id, std::uint64_t cookie, const Flow& flow, std::uint64_t cgroup_id) {
  table_.index_cookie(id, cookie);
  Connection& connection = table_[id];
  connection.object = 0;
  connection.carrier = Carrier::Full;
  connection.pending_end = PendingEnd::None;
  table_.set_flow(connection, flow);
  table_.tidy(connection);
  connection.sock_cgroup_id = cgroup_id;
  publisher_.opened(connection, State::Listen, Why::Syn);
  flags_.watch(id);
}

// The connection is older than the trace, or its beginning was lost. Time in `from` is a lower
// bound.
Lifecycle::Id Lifecycle::adopt_older(const TransitionEvent& event) {
  const bool over = event.to == State::Closed;
  if (publisher_.filter().on_flow(event.flow, over || event.from == State::Listen) == Verdict::Hide)
    return kNone;
  Id newborn = table_.by_object(event.object);
  if (newborn != kNone && table_[newborn].carrier != Carrier::Newborn) newborn = kNone;
  if (const Id request = table_.by_flow(event.flow);
      request != kNone && table_[request].carrier == Carrier::Request) {
    if (newborn != kNone) forget(newborn);
    table_.forget_object(request);  // the transition of its child was lost
    table_.forget_flow(request);
    resync_.count_resync(event.at);
    promote(request, event.cookie, event.flow, event.sock_cgroup_id);
    return request;
  }
  if (newborn != kNone && !resync_.lost_since(table_[newborn].entered)) {  // accepted, so not older
    table_.forget_object(newborn);
    promote(newborn, event.cookie, event.flow, event.sock_cgroup_id);
    return newborn;
  }
  const Id id = create();
  table_.index_cookie(id, event.cookie);
  Connection& connection = table_[id];
  table_.set_flow(connection, event.flow);
  table_.set_life(connection, event.life);
  if (event.from == State::Listen) connection.role = Role::Listener;
  if (event.from == State::SynSent) connection.role = Role::Client;
  if (event.from == State::Listen || event.from == State::SynSent)
    connection.opened_by = Side::Local;
  connection.state = event.from;
  connection.entered = resync_.unseen_since(event.at, table_.evicted() > 0);
  connection.entered_known = false;
  connection.closed_by = first_fin(event.from);
  connection.sock_cgroup_id = event.sock_cgroup_id;
  return id;
}

// `event` is SYN_SENT to CLOSED: returns a reason if connect() failed before it sent a packet.
// close() and connect() to AF_UNSPEC also leave SYN_SENT without an error, but after the SYN.
std::optional<ConnectFailure> Lifecycle::connect_failure(Id id,
                                                         const TransitionEvent& event) const {
  const Connection& connection = table_[id];
  if (event.err != 0) return std::nullopt;
  if (event.flow.local.port == 0 && connection.local_port == 0) return ConnectFailure::NoPort;
  if (!event.silent || event.shutdown != 0) return std::nullopt;
  if (connection.port_bound) return ConnectFailure::PortTaken;
  // In a later life, the port in the event is from an earlier one. In the first life it is valid:
  // a deferred SYN (TCP_FASTOPEN_CONNECT), for example.
  return table_.life(connection) > 0 ? std::optional(ConnectFailure::NoPort) : std::nullopt;
}

void Lifecycle::connect_failed(Id id, ConnectFailure reason, Nanos at) {
  const Connection& connection = table_[id];
  if (!publisher_.passes(connection)) return;
  if (failed_connects_.empty())
    failed_connects_due_ =
        std::max(failed_connects_due_ + kFailedConnectsPause, at + kFailedConnectsWait);
  const Process* process = table_.owner(connection);
  failed_connects_.add({.when = publisher_.when(at),
                        .process = process ? std::optional(*process) : std::nullopt,
                        .flow = table_.flow(connection),
                        .reason = reason,
                        .count = 1});
}

void Lifecycle::publish_failed_connects(Nanos now) {
  if (failed_connects_.empty()) return;
  failed_connects_due_ = now;
  for (const FailedConnectsRecord& failed : failed_connects_.take())
    publisher_.connects_failed(failed);
}

void Lifecycle::step(Id id, const TransitionEvent& event) {
  if (event.from == State::SynSent && event.to == State::Closed) {
    const auto reason = connect_failure(id, event);
    if (reason) connect_failed(id, *reason, event.at);
    if (reason == ConnectFailure::NoPort) return forget(id);  // not a connection
  }
  if (has_failed_to_listen(id, event)) return forget(id);
  Connection& connection = table_[id];
  learn_flow(table_, connection, event.flow);
  if (!event.may_be_killed) learn_closer(table_, connection, event);
  connection.followed |= event.followed;
  connection.orphan |= event.closing || event.dead;
  if (event.mptcp && event.to != State::Established && event.to != State::Closed)
    flags_.is_subflow(id);
  if (connection.state != event.from) bridge_gap(id, event.from, event.at);
  run_.leaves(id, event);
  if (event.from == event.to) {  // close() after shutdown(): an orphan has another threshold
    flags_.watch(id, event.at);
    return publisher_.reconsider(connection, false);
  }
  if (event.to == State::Closed) return close_socket(id, event);
  connection.reset_sent = connection.reset_memory = false;  // that RST did not end the connection
  if (event.from == State::SynSent && event.to == State::SynReceived)
    connection.opened_by = Side::Both;
  if (connection.closed_by == Side::Unknown || event.to == State::Closing)
    connection.closed_by = first_fin(event.to);
  move(id, event.to, event.at, Nanos{0}, why_of(event), syns_sent(connection, event, resync_));
  publisher_.reconsider(connection, false);
  if (hidden_by_flow(id)) forget(id);
}

// The event that shows the port of a connect() was hidden: its lines wait for that port.
void Lifecycle::learn_port(Id id, const Endpoint& local) {
  Connection& connection = table_[id];
  if (connection.local_port != 0 || local.port == 0) return;
  Flow flow = table_.flow(connection);
  flow.local = local;
  table_.set_flow(connection, flow);
  publisher_.reconsider(connection, false);
  if (hidden_by_flow(id)) forget(id);
}

// Transitions were lost: `to` began between the last known one and `before`.
void Lifecycle::bridge_gap(Id id, State to, Nanos before) {
  Connection& connection = table_[id];
  resync_.count_unseen(connection, to, before);
  const Nanos half = (std::max(before, connection.entered) - connection.entered) / 2;
  move(id, to, connection.entered + half, half, Why::Unknown);
  if (connection.closed_by == Side::Unknown) connection.closed_by = first_fin(to);
}

// The full socket was in `from` when minisock `start` replaced it.
void Lifecycle::resolve_origin(Id id, State from, TimewaitEvent start) {
  Connection& connection = table_[id];
  connection.origin_lost = false;
  if (connection.state != from) bridge_gap(id, from, start.at);
  if (start.substate == State::TimeWait)
    move(id, State::TimeWait, start.at, Nanos{0}, from == State::Closing ? Why::Ack : Why::Fin);
  table_.tidy(connection);
}

// The transition that shows the state before was lost: FIN_WAIT_2 is the most likely one.
void Lifecycle::assume_origin(Id id, Nanos at) {
  resync_.count_resync(at);
  resolve_origin(id, State::FinWait2,
                 std::get<TimewaitEvent>(table_.cold_state(table_[id]).pending_event));
}

void Lifecycle::close_socket(Id id, const TransitionEvent& event) {
  Connection& connection = table_[id];
  if (event.tally) table_.set_tally(connection, *event.tally);
  if (event.from == State::Listen) queues_.listener_closed(event.cookie, event.at);
  const bool watched = config_.watches_resets && needs_reset_facts(event);
  if (event.may_be_killed || (!connection.reset_sent && (watched || leads_to_minisock(event))))
    return pending_.add(id, PendingEnd::Closed, event);
  settle_closed(id, event);
}

void Lifecycle::settle_closed(Id id, const TransitionEvent& event) {
  Connection& connection = table_[id];
  if (event.may_be_killed && event.err == 0) learn_closer(table_, connection, event);
  Ending ending = end_of_socket(event, {.watched = config_.watches_resets,
                                        .sent = connection.reset_sent,
                                        .memory = connection.reset_memory});
  // The RST or minisock that should have followed may have been lost.
  if (resync_.lost_since(event.at) && needs_reset_facts(event) && !connection.reset_sent)
    ending = {Ended::Unknown, Why::Unknown, Side::Unknown};
  auto descriptor = dead_.entry_of(id, event);
  if (descriptor) descriptor->how = ending.ended;
  finish_life(id, event.at, ending, std::nullopt, syns_sent(connection, event, resync_));
  dead_.keep(descriptor);
}

// The CLOSE of the full socket after its minisock began: not an end, but it has the final counters.
void Lifecycle::on_close_after_minisock(Id id, const TransitionEvent& event) {
  Connection& connection = table_[id];
  if (event.to != State::Closed) return;
  if (connection.origin_unknown) table_.forget_flow(id);
  learn_flow(table_, connection, event.flow);
  connection.timestamped = event.timestamped;
  if (event.tally) table_.set_tally(connection, *event.tally);
  if (connection.origin_lost)
    resolve_origin(id, event.from,
                   std::get<TimewaitEvent>(table_.cold_state(connection).pending_event));
  if (connection.origin_unknown) {
    connection.origin_unknown = false;
    connection.minisock_cookie = connection.minisock_cookie && connection.cookie != 0;
    connection.cookie = event.cookie;
    connection.sock_cgroup_id = event.sock_cgroup_id;
    if (connection.state == State::TimeWait) {
      const Nanos entered = connection.entered;
      connection.state = event.from;
      connection.entered = resync_.unseen_since(entered, table_.evicted() > 0);
      connection.entered_known = false;
      move(id, State::TimeWait, entered, Nanos{0},
           event.from == State::Closing ? Why::Ack : Why::Fin);
    }
    connection.closed_by = first_fin(event.from);
  }
  dead_.keep(dead_.entry_of(id, event));
  table_.forget_cookie(id);
}

}  // namespace tcpdwell
