// SPDX-License-Identifier: Apache-2.0
// Request socks: half-open connections.
#include <algorithm>
#include <variant>

#include "lifecycle/lifecycle.h"

namespace tcpdwell {
namespace {

// tcp_check_req() sends its RST through the listener, then drops the request.
constexpr Nanos kSameCall{100'000};

}  // namespace

void Lifecycle::on_event(const RequestEvent& event) {
  pending_.saw_cpu(event.cpu, event.at);
  Id id = table_.by_object(event.object);
  if (id != kNone &&
      (table_[id].carrier != Carrier::Request || !table_.has_flow(table_[id], event.flow)))
    id = kNone;
  if (event.op == TimerOp::Start) return start_request(event, id);
  if (id == kNone) return;
  table_.touch(id);
  pending_.add(id, event.op == TimerOp::Expire ? PendingEnd::Expired : PendingEnd::Cancelled,
               event);
}

void Lifecycle::start_request(const RequestEvent& event, Id id) {
  if (id != kNone) {  // the SYN-ACK was sent again
    table_.touch(id);
    table_[id].pending_end = PendingEnd::None;
    table_.cold_state(table_[id]).syn_ack_retransmits = event.retransmits;
    return;
  }
  replace(table_.by_object(event.object), event.at);
  if (const Id before = table_.by_flow(event.flow); has_migrated(before, event)) {
    table_.touch(before);
    table_[before].pending_end = PendingEnd::None;
    table_.cold_state(table_[before]).syn_ack_retransmits = event.retransmits;
    return table_.index_object(before, event.object);
  }
  replace(table_.by_flow(event.flow), event.at);
  id = create();
  table_.index_object(id, event.object);
  Connection& connection = table_[id];
  connection.carrier = Carrier::Request;
  connection.cookie = event.cookie;
  table_.set_flow(connection, event.flow);
  connection.role = Role::Server;
  connection.opened_by = Side::Remote;
  connection.state = State::SynReceived;
  connection.entered = event.at;
  connection.entered_known = event.retransmits == 0;
  table_.index_flow(id);
  flags_.watch(id);
}

// net.ipv4.tcp_migrate_req: the timer of a request expires after its listener was closed. In the
// same call, a copy of the request starts a timer for another listener of the port.
bool Lifecycle::has_migrated(Id before, const RequestEvent& event) const {
  if (before == kNone || table_[before].carrier != Carrier::Request ||
      table_[before].pending_end != PendingEnd::Expired)
    return false;
  const ColdState* cold = table_.find_cold_state(table_[before]);
  const auto* last = std::get_if<RequestEvent>(&cold->pending_event);
  return last != nullptr && last->listener_closed && last->cpu == event.cpu &&
         (event.retransmits > 0 || event.at - last->at < kSameCall);
}

// The kernel address or flow of connection `id` was reused: that connection is over.
void Lifecycle::replace(Id id, Nanos at) {
  if (id == kNone || table_[id].carrier == Carrier::Full || table_[id].origin_unknown) return;
  if (table_[id].pending_end != PendingEnd::None)
    resolve(id);
  else if (table_[id].carrier == Carrier::Newborn)
    forget(id);
  else
    end_unseen(id, at);
}

// The request is gone without a child.
void Lifecycle::end_request(Id id) {
  Connection& connection = table_[id];
  const ColdState& cold = table_.cold_state(connection);
  const Nanos at = cold.pending_at;
  const auto last = std::get<RequestEvent>(cold.pending_event);
  // A SYN that comes again brings a SYN-ACK, often without an event of the timer.
  const std::uint8_t retransmits = std::max(cold.syn_ack_retransmits, last.retransmits);
  Ending ending = end_of_request(last);
  const Nanos reset = last.cpu < listener_reset_.size() ? listener_reset_[last.cpu] : Nanos{-1};
  const bool reset_received = ending.ended == Ended::ResetReceived;
  if (reset_received && reset.count() >= 0 && reset <= at && at - reset < kSameCall)
    ending = {Ended::ResetSent, Why::Reset, Side::Local};
  else if (reset_received && !config_.sees_cancellers && last.canceller == Canceller::Unknown)
    ending = {};  // SOCK_DESTROY and the end of the namespace look the same
  else if ((reset_received || ending.ended == Ended::Timeout) && resync_.lost_since(at))
    ending = {};  // the child, or the restart after a retransmission, may have been lost
  connection.pending_end = PendingEnd::None;
  table_.set_tally(connection, {.retransmits = retransmits});
  if (connection.entered_known) publisher_.opened(connection, State::Listen, Why::Syn);
  finish_life(id, at, ending, std::nullopt, static_cast<std::uint8_t>(retransmits + 1));
}

}  // namespace tcpdwell
