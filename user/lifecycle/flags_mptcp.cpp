// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/flags.h"

// MPTCP subflows. Their states are those of TCP; their flags are about the MPTCP socket, which one
// subflow represents.
#include <algorithm>

#include "lifecycle/cause.h"
#include "model/kernel_time.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kMptcpAgain = 1s;

// MPTCP does not record whether the end of stream was read.
Cause cause_of_socket(const MptcpSocket& socket) {
  const std::uint32_t unread = socket.unread ? 1 : 0, fin = 1;
  const StuckFacts facts{.state = socket.state,
                         .attached = socket.attached,
                         .receive_queue = unread + (socket.unread ? fin : 0),
                         .send_queue = socket.unsent_bytes > 0 ? 1U : 0U};
  return cause_of(facts);
}

}  // namespace

MptcpView* Flags::mptcp_of(Id id) {
  return mptcp_.empty() ? nullptr : mptcp_.find(id, table_.generation(id));
}

const MptcpView* Flags::known_mptcp_of(Id id) const {
  if (mptcp_.empty()) return nullptr;
  const MptcpView* view = mptcp_.find(id, table_.generation(id));
  return view != nullptr && view->known ? view : nullptr;
}

// Also nullptr if the MPTCP socket of the subflow is not known yet.
MptcpView* Flags::known_mptcp_of(Id id) {
  MptcpView* view = mptcp_of(id);
  return view != nullptr && view->known ? view : nullptr;
}

Dwell Flags::mptcp_dwell(const MptcpView& view, Nanos at) {
  return {std::max(at - view.begin.latest, Nanos{0}),
          view.begin_known ? std::optional(Nanos{0}) : std::nullopt};
}

// Clears the flag of the state that was judged until `at`.
void Flags::leave_judged(Id id, Nanos at) {
  const Connection& connection = table_[id];
  if (const MptcpView* view = known_mptcp_of(id))
    return clear(id, view->state, mptcp_dwell(*view, at), at);
  Dwell dwell{at - connection.entered, std::nullopt};
  if (connection.entered_known) dwell.error = table_.entered_error(connection);
  clear(id, connection.state, dwell, at);
}

void Flags::mptcp_changed(Id id, const MptcpChangeEvent& event) {
  if (event.socket.state == event.to) {  // close() after shutdown()
    if (event.to == State::FinWait2) mptcp_closed_by_exit(id, event);
    if (MptcpView* view = known_mptcp_of(id)) view->orphaned = event.at;
    return watch(id);
  }
  if (event.socket.state == State::CloseWait) mptcp_closed_by_exit(id, event);
  if (MptcpView* view = known_mptcp_of(id)) view->socket.dead |= event.socket.dead;
  leave_judged(id, event.at);
  if (event.to == State::Closed) {  // only the TCP sockets remain
    mptcp_.erase(id);
    return watch(id);
  }
  MptcpView& view = mptcp_.at(id, table_.generation(id));
  view = {.generation = view.generation,
          .known = true,
          .state = event.to,
          .begin = {.latest = event.at, .earliest = event.at},
          .begin_known = true,
          .orphaned = {},
          .socket = event.socket,
          .counted = view.counted};
  watch(id);
}

// The peer's DATA_FIN is the last data received, and also an acknowledgment. Our DATA_FIN is the
// last data sent; FIN_WAIT_2 began when it was acknowledged.
StateBegin Flags::begin_of_mptcp(Id id, const MptcpSubflow& subflow) const {
  const MptcpSocket& socket = subflow.socket;
  const Connection& tcp = table_[id];
  const JiffyTimes jiffies(subflow.at, config_.hz);
  StateBegin begin{.latest = subflow.at, .earliest = {}};
  if (socket.state == State::CloseWait || socket.state == State::FinWait2) {
    if (socket.acked_ago) begin.latest = jiffies.latest(socket.acked_ago);
    begin.earliest =
        jiffies.earliest(socket.state == State::CloseWait ? socket.received_ago : socket.sent_ago);
  }
  // The TCP FIN comes with the DATA_FIN, later, or (after a fallback) instead of it.
  if (tcp.state == socket.state) begin.latest = std::min(begin.latest, tcp.entered);
  if (begin.earliest) begin.earliest = std::min(*begin.earliest, begin.latest);
  if (config_.memory == nullptr) return begin;
  SnapshotEvent found{.cookie = subflow.cookie, .flow = table_.flow(tcp)};
  found.state = socket.state;
  return config_.memory->recall(found, begin);
}

void Flags::found_mptcp(Id id, const MptcpSubflow& subflow) {
  const MptcpSocket& socket = subflow.socket;
  if (socket.state == State::Closed) {  // only the TCP sockets remain
    if (known_mptcp_of(id) != nullptr) leave_judged(id, subflow.at);
    return mptcp_.erase(id);
  }
  MptcpView* view = known_mptcp_of(id);
  const State judged = view != nullptr ? view->state : table_[id].state;
  if (judged != socket.state) {
    if (view != nullptr) resync_.count_resync(subflow.at);
    leave_judged(id, subflow.at);
  }
  const bool is_new = view == nullptr || judged != socket.state;
  view = &mptcp_.at(id, table_.generation(id));
  if (is_new)
    *view = {.generation = view->generation,
             .known = true,
             .state = socket.state,
             .begin = {},
             .orphaned = {},
             .socket = {},
             .counted = view->counted};
  view->stands = subflow.stands;
  view->socket = socket;
  view->fresh = true;
  if (view->begin_known) return;
  const StateBegin begin = begin_of_mptcp(id, subflow);
  view->begin = is_new ? begin : begin.narrowed_by(view->begin);
}

std::optional<Nanos> Flags::threshold_of(const MptcpView& view) const {
  return config_.thresholds.for_state(view.state, view.socket.dead);
}

// When the threshold passes; nullopt: never.
std::optional<Nanos> Flags::mptcp_due(const MptcpView& view) const {
  const auto threshold = threshold_of(view);
  if (!threshold || !view.stands) return std::nullopt;
  const bool since_orphaned = config_.thresholds.since_orphaned && view.state == State::FinWait2;
  const auto& [latest, earliest] = view.begin;
  const bool counts = earliest && (config_.flags_uncertain || latest - *earliest <= kBoundsAgree);
  const Nanos from = counts ? *earliest : latest;  // same rule as counts_from()
  return std::max(from, since_orphaned ? view.orphaned.value_or(Nanos{}) : Nanos{}) + *threshold;
}

// (Re)starts the timer of the MPTCP socket's state.
void Flags::watch_mptcp(Id id, const MptcpView& view) {
  const auto due = mptcp_due(view);
  if (!due || table_[id].verdict == Verdict::Hide) return stop_timer(table_[id]);
  wait_until(id, *due);
}

// An answer about a subflow. The MptcpEvent with its MPTCP socket came just before, if the socket
// could be read.
void Flags::mptcp_answered(Id id, MptcpView& view, const InquiryEvent& event) {
  if (!std::exchange(view.fresh, false)) {
    if (!std::exchange(view.counted, true)) ++mptcp_not_judged_;
    return wait_until(id, event.at + kMptcpAgain);
  }
  const auto due = mptcp_due(view);
  if (!due) return;
  if (event.at < *due) return wait_until(id, *due);  // the socket became an orphan meanwhile
  raise(id, event);
}

// Leaves out the other end: only the state of its TCP socket would be known.
FlagRecord Flags::mptcp_flag(const MptcpView& view, Nanos at) const {
  const MptcpSocket& socket = view.socket;
  FlagRecord record;
  record.mptcp = true;
  record.state = view.state;
  record.dwell = mptcp_dwell(view, at);
  if (!view.begin_known && view.begin.earliest) record.at_most = at - *view.begin.earliest;
  record.threshold = threshold_of(view).value_or(Nanos{});
  record.cause = cause_of_socket(socket);
  record.unread_bytes = socket.unread_bytes;
  record.unsent_bytes = socket.unsent_bytes;
  record.attached = socket.attached;
  return record;
}

// `run`: same rule as RunJudge::leaves(), but only for a close by exit: after another close, the
// closing process and the sent data are not known, so it is never a leak.
void Flags::mptcp_closed_by_exit(Id id, const MptcpChangeEvent& event) {
  Connection& connection = table_[id];
  const MptcpView* view = known_mptcp_of(id);
  if (!config_.exit_grace || !event.exiting || view == nullptr) return;
  const Nanos age = event.at - view->begin.latest;
  const auto threshold = threshold_of(*view);
  const bool over = threshold && age >= *threshold;
  if (!over && (view->state != State::CloseWait || age < *config_.exit_grace)) return;
  MptcpView seen = *view;
  seen.socket = event.socket;
  FlagRecord record = mptcp_flag(seen, event.at);
  record.threshold = over ? *threshold : *config_.exit_grace;
  record.by_exit = true;
  record.before_exit = Nanos{0};
  const bool is_new = connection.flag != FlagStage::Raised;
  if (publisher_.flagged(connection, event.at, std::move(record)) && is_new) ++counts_.raised;
}

}  // namespace tcpdwell
