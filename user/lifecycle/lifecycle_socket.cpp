// SPDX-License-Identifier: Apache-2.0
// Full sockets: sock:inet_sock_set_state.
#include <algorithm>

#include "lifecycle/lifecycle.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// Failed connects come in storms: the first waits for others, the next for a good deal more.
constexpr Nanos kFailedShare = 1s;
constexpr Nanos kFailedPause = 10s;

// A disconnected socket has no addresses any more, an auto-bound one no port yet: what was known
// stays known.
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

}  // namespace

void Lifecycle::on_event(const TransitionEvent& event) {
  pending_.saw_cpu(event.cpu, event.at);
  if (event.from == State::Closed) return begin_life(event);
  if (event.from == State::Listen && event.to == State::SynReceived) return begin_child(event);
  Id id = table_.by_cookie(event.cookie);
  if (id == kNone) id = adopt(event);
  if (id == kNone) return;
  table_.touch(id);
  if (table_[id].carrier == Carrier::Minisock) return leave_to_minisock(id, event);
  if (table_[id].pending_end == PendingEnd::Closed)
    return;  // over; another event of it would be a stray
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
      give_up(old, event.at);
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
  if (client && event.repair) {  // restored: which side opened it is not told
    connection.role = Role::Unknown;
    connection.opened_by = Side::Unknown;
  }
  connection.state = event.to;
  connection.entered = event.at;
  connection.sock_cgroup_id = event.sock_cgroup_id;
  connection.port_bound = event.flow.local.port != 0;
  if (event.task) table_.set_owner(connection, *event.task, client ? Via::Connect : Via::Listen);
  if (client) silent_syns_.push_back({event.at, id, table_.generation(id)});
  connection.followed = event.followed;
  if (!client) queues_.heard_of_listener(event.flow.netns_cookie);
  if (event.listen_unsure)
    listens_.push_back({event.at, id, table_.generation(id)});
  else
    publisher_.opened(connection, State::Closed, client ? Why::Connect : Why::Listen);
  flags_.watch(id);
  if (hidden_by_flow(id)) forget(id);
}

// Before 6.18 the child still has its listener's cookie and flow here. Its own come with its next
// transition, which on all but Fast Open follows within microseconds: until then its address is
// the key, and nothing is said.
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
    forget(newborn);  // this may be another child at the same address
    newborn = kNone;
  }
  if (event.to == State::Closed && event.err == 0 && !event.fastopen && !event.attached) {
    // A child that could not be made. Its request may have ended before that, and not said so: its
    // child was there.
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
    // No request: Fast Open, where the child is born with the SYN, or a SYN cookie, where nobody
    // knows when the SYN came.
    id = newborn;
    table_.forget_object(id);
    table_[id].entered_known = event.fastopen;
  } else {
    return adopt_older(event);
  }
  table_[id].followed |= event.followed;
  grow_up(id, event.cookie, event.flow, event.sock_cgroup_id);
  return id;
}

// From a request or a newborn, which no index has any more, to a full socket.
void Lifecycle::grow_up(Id id, std::uint64_t cookie, const Flow& flow, std::uint64_t cgroup_id) {
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

// It was there before us, or its beginning was lost: in `from` for longer than we know.
Lifecycle::Id Lifecycle::adopt_older(const TransitionEvent& event) {
  const bool over = event.to == State::Closed;
  if (publisher_.filter().on_flow(event.flow, over || event.from == State::Listen) == Verdict::Hide)
    return kNone;
  Id newborn = table_.by_object(event.object);
  if (newborn != kNone && table_[newborn].carrier != Carrier::Newborn) newborn = kNone;
  if (const Id request = table_.by_flow(event.flow);
      request != kNone && table_[request].carrier == Carrier::Request) {
    if (newborn != kNone) forget(newborn);
    table_.forget_object(request);  // how it grew up was lost
    table_.forget_flow(request);
    resync_.count_resync(event.at);
    grow_up(request, event.cookie, event.flow, event.sock_cgroup_id);
    return request;
  }
  if (newborn != kNone && !resync_.lost_since(table_[newborn].entered)) {  // accepted, so not older
    table_.forget_object(newborn);
    grow_up(newborn, event.cookie, event.flow, event.sock_cgroup_id);
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

// From SYN_SENT to CLOSED: connect() ended before a packet left, in the system call that began it.
// close() and a connect() to AF_UNSPEC end SYN_SENT without an error, too, but after the SYN.
std::optional<ConnectFailure> Lifecycle::connect_failure(Id id,
                                                         const TransitionEvent& event) const {
  const Connection& connection = table_[id];
  if (event.err != 0) return std::nullopt;
  if (event.flow.local.port == 0 && connection.local_port == 0) return ConnectFailure::NoPort;
  if (!event.silent || event.shutdown != 0) return std::nullopt;
  if (connection.port_bound) return ConnectFailure::PortTaken;
  // The port that is in the event was chosen in an earlier life. In the first one it is this one's:
  // a SYN that was to go with the first data, say.
  return table_.life(connection) > 0 ? std::optional(ConnectFailure::NoPort) : std::nullopt;
}

void Lifecycle::connect_failed(Id id, ConnectFailure reason, Nanos at) {
  const Connection& connection = table_[id];
  if (!publisher_.passes(connection)) return;
  if (failed_connects_.empty())
    failed_connects_due_ = std::max(failed_connects_due_ + kFailedPause, at + kFailedShare);
  const Process* process = table_.owner(connection);
  failed_connects_.add({.when = publisher_.when(at),
                        .process = process ? std::optional(*process) : std::nullopt,
                        .flow = table_.flow(connection),
                        .reason = reason,
                        .count = 1});
}

void Lifecycle::tell_failed_connects(Nanos now) {
  if (failed_connects_.empty()) return;
  failed_connects_due_ = now;
  for (const FailedConnectsRecord& failed : failed_connects_.take())
    publisher_.connects_failed(failed);
}

void Lifecycle::step(Id id, const TransitionEvent& event) {
  if (event.from == State::SynSent && event.to == State::Closed) {
    const auto reason = connect_failure(id, event);
    if (reason) connect_failed(id, *reason, event.at);
    if (reason == ConnectFailure::NoPort) return forget(id);  // this was no connection
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
  if (event.from == event.to) {  // close() after shutdown(): whose threshold is another
    flags_.watch(id, event.at);
    return publisher_.reconsider(connection, false);
  }
  if (event.to == State::Closed) return close_socket(id, event);
  connection.reset_sent = connection.reset_memory = false;  // an earlier one did not end it
  if (event.from == State::SynSent && event.to == State::SynReceived)
    connection.opened_by = Side::Both;
  if (connection.closed_by == Side::Unknown || event.to == State::Closing)
    connection.closed_by = first_fin(event.to);
  move(id, event.to, event.at, Nanos{0}, why_of(event));
  publisher_.reconsider(connection, false);
  if (hidden_by_flow(id)) forget(id);
}

// Transitions were lost: it entered `to` at some time since the last one we know.
void Lifecycle::bridge_gap(Id id, State to, Nanos before) {
  Connection& connection = table_[id];
  resync_.count_unseen(connection, to, before);
  const Nanos half = (std::max(before, connection.entered) - connection.entered) / 2;
  move(id, to, connection.entered + half, half, Why::Unknown);
  if (connection.closed_by == Side::Unknown) connection.closed_by = first_fin(to);
}

// The minisock took over from `from`, which the transition into it would have said.
void Lifecycle::find_origin(Id id, State from, TimewaitEvent start) {
  Connection& connection = table_[id];
  connection.origin_lost = false;
  if (connection.state != from) bridge_gap(id, from, start.at);
  if (start.substate == State::TimeWait)
    move(id, State::TimeWait, start.at, Nanos{0}, from == State::Closing ? Why::Ack : Why::Fin);
  table_.tidy(connection);
}

// ... which was lost: most likely this.
void Lifecycle::find_lost_origin(Id id, Nanos at) {
  resync_.count_resync(at);
  find_origin(id, State::FinWait2,
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
  // What did not follow may have been lost: the RST, or the minisock.
  if (resync_.lost_since(event.at) && needs_reset_facts(event) && !connection.reset_sent)
    ending = {Ended::Unknown, Why::Unknown, Side::Unknown};
  auto descriptor = dead_.entry_of(id, event);
  if (descriptor) descriptor->how = ending.ended;
  finish_life(id, event.at, ending, std::nullopt);
  dead_.keep(descriptor);
}

// The full socket's CLOSE after its minisock began: no end, but the last look at its counters.
void Lifecycle::leave_to_minisock(Id id, const TransitionEvent& event) {
  Connection& connection = table_[id];
  if (event.to != State::Closed) return;
  if (connection.origin_unknown) table_.forget_flow(id);
  learn_flow(table_, connection, event.flow);
  connection.timestamped = event.timestamped;
  if (event.tally) table_.set_tally(connection, *event.tally);
  if (connection.origin_lost)
    find_origin(id, event.from,
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
