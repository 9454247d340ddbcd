// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/flags.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "lifecycle/cause.h"
#include "model/holders.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kAskAgain = 1s;  // the kernel could not be asked, or its answer is inconsistent
constexpr Nanos kSoon = 100ms;   // an end was pending when the answer came

void learn_owner(ConnectionTable& table, Connection& connection,
                 const std::vector<Holder>& holders) {
  if (connection.owner != 0) return;
  if (const Process* process = only_holder(holders)) table.set_owner(connection, *process, Via::Fd);
}

// `run`: false if the socket is not accepted, or if only other processes hold it. A descriptor in
// flight in a Unix socket has no holder.
bool is_of_command(const InquiryEvent& event, bool attached) {
  if (event.kind != SocketKind::Full) return true;
  return attached && (event.holders.empty() || is_held_by_followed(event.holders));
}

// A flag for the connection's state, raised at `at`.
FlagRecord flag_of(const ConnectionTable& table, const Connection& connection, Nanos at) {
  FlagRecord record;
  record.state = connection.state;
  record.dwell = {at - connection.entered, std::nullopt};
  if (connection.entered_known)
    record.dwell.error = table.entered_error(connection);
  else if (const auto earliest = table.entered_earliest(connection))
    record.at_most = at - *earliest;
  return record;
}

}  // namespace

void Flags::watch(Id id, Nanos orphaned) {
  Connection& connection = table_[id];
  if (connection.flag == FlagStage::Raised) return;
  connection.flag = FlagStage::None;
  if (const MptcpView* view = known_mptcp_of(id)) return watch_mptcp(id, *view);
  const auto threshold = threshold_of(connection);
  if (!threshold || connection.verdict == Verdict::Hide) return stop_timer(connection);
  const bool since_orphaned =
      config_.thresholds.since_orphaned && connection.state == State::FinWait2;
  wait_until(id,
             std::max(counts_from(connection), since_orphaned ? orphaned : Nanos{}) + *threshold);
}

// When the threshold begins to count. A flag raised after it is_certainly_stuck(); with
// flags_uncertain it may also be is_of_unknown_age().
Nanos Flags::counts_from(const Connection& connection) const {
  if (connection.entered_known) return connection.entered;
  const auto earliest = table_.entered_earliest(connection);
  const bool counts =
      earliest && (config_.flags_uncertain || connection.entered - *earliest <= kBoundsAgree);
  return counts ? *earliest : connection.entered;
}

std::optional<Nanos> Flags::threshold_of(const Connection& connection) const {
  return config_.thresholds.for_state(connection.state, connection.orphan);
}

void Flags::wait_until(Id id, Nanos at) {
  Connection& connection = table_[id];
  connection.flag = FlagStage::Waiting;
  connection.timer = timers_.schedule(connection.timer, id, at);
}

void Flags::stop_timer(Connection& connection) {
  timers_.cancel(std::exchange(connection.timer, 0));
}

// The threshold has passed. Ask the kernel: an event may have been lost, and a FIN to an orphan may
// have come unseen.
void Flags::due(Id id) {
  Connection& connection = table_[id];
  connection.timer = 0;
  if (connection.verdict == Verdict::Hide) connection.flag = FlagStage::None;
  if (connection.flag != FlagStage::Waiting) return;
  connection.flag = FlagStage::Asked;
  questions_.ask(id, {.for_flag = true, .mptcp = mptcp_of(id) != nullptr});
}

// A connection that is not accepted gets a flag for its time in the accept queue (QueueFlags), not
// for its state. Without an accept threshold (recordings of older versions), no queue was walked.
bool Flags::waits_for_accept(const InquiryEvent& event) const {
  return config_.thresholds.accept && event.kind == SocketKind::Full && !event.attached &&
         (event.state == State::Established || event.state == State::CloseWait);
}

void Flags::accepted(Id id, Nanos at) {
  const Connection& connection = table_[id];
  if (connection.flag != FlagStage::Waiting) return;
  const auto threshold = threshold_of(connection);
  if (threshold && connection.entered + *threshold <= at) watch(id);
}

void Flags::raise(Id id, const InquiryEvent& event) {
  Connection& connection = table_[id];
  const bool full = event.kind == SocketKind::Full;
  const StuckFacts facts{.state = connection.state,
                         .attached = event.attached,
                         .receive_queue = event.receive_queue,
                         .send_queue = event.send_queue};
  if (connection.local_port == 0) connection.local_port = event.local.port;
  if (event.attached) learn_owner(table_, connection, event.holders);
  publisher_.reconsider(connection, false);
  const MptcpView* view = known_mptcp_of(id);
  const bool attached = view != nullptr ? view->socket.attached : event.attached;
  if (config_.exit_grace && !is_of_command(event, attached)) return;
  if (connection.carrier == Carrier::Request && connection.entered_known)
    publisher_.opened(connection, State::Listen, Why::Syn);
  FlagRecord record =
      view != nullptr ? mptcp_flag(*view, event.at) : flag_of(table_, connection, event.at);
  if (view == nullptr) {
    record.threshold = threshold_of(connection).value_or(Nanos{});
    record.cause = cause_of(facts);
    if (full) record.unread_bytes = unread_bytes(facts);
    if (full) record.unsent_bytes = unsent_bytes(facts);
    record.attached = !full || event.attached;
    record.bytes = event.bytes;
    record.other_end = event.other_end;
  }
  record.send_wait = event.send_wait;
  record.inherited_from = event.inherited_from;
  record.holders = visible_holders(event.holders);
  add_facts_to(record, event.at);
  connection.flag_cause = record.cause;
  if (!publisher_.flagged(connection, event.at, std::move(record))) return;
  connection.flag = FlagStage::Raised;
  connection.flagged_as_orphan = view != nullptr ? view->socket.dead : connection.orphan;
  ++counts_.raised;
  ++counts_.open;
}

// The connection left `from` after `dwell`. Of a subflow with an MPTCP socket only the end matters.
void Flags::on_state_left(Id id, State from, const Dwell& dwell, Nanos at) {
  if (known_mptcp_of(id) == nullptr) return clear(id, from, dwell, at);
  if (table_[id].state != State::Closed) return;
  leave_judged(id, at);
  mptcp_.erase(id);
  resync_.want_snapshot();  // another subflow may represent the MPTCP socket now
}

void Flags::clear(Id id, State from, const Dwell& dwell, Nanos at) {
  Connection& connection = table_[id];
  const bool raised = connection.flag == FlagStage::Raised;
  if (config_.exit_grace) note_longest(id, from, dwell.value);
  connection.flag = FlagStage::None;
  ++connection.question;
  if (!raised) return;
  --counts_.open;
  FlagRecord record;
  record.raised = false;
  record.mptcp = known_mptcp_of(id) != nullptr;
  record.state = from;
  record.threshold =
      config_.thresholds.for_state(from, connection.flagged_as_orphan).value_or(Nanos{});
  record.dwell = dwell;
  record.cause = connection.flag_cause;
  publisher_.flagged(connection, at, std::move(record));
}

void Flags::add_watched(Nanos now, std::array<WatchedState, kStates>& all) const {
  table_.for_each([&](Id id) {
    const Connection& connection = table_[id];
    const MptcpView* view = known_mptcp_of(id);
    if (view != nullptr && !view->stands) return;
    const auto threshold = view != nullptr ? threshold_of(*view) : threshold_of(connection);
    if (!threshold || connection.carrier == Carrier::Newborn ||
        connection.pending_end != PendingEnd::None || !publisher_.passes(connection))
      return;
    FlagRecord record = view != nullptr ? mptcp_flag(*view, now) : flag_of(table_, connection, now);
    record.threshold = *threshold;
    all[index(record.state)].add(record);
  });
}

void Flags::drop(Id id) {
  if (!mptcp_.empty()) mptcp_.erase(id);
  table_[id].flag = FlagStage::None;
  stop_timer(table_[id]);
}

void Flags::learn(const ProcessesEvent& event) {
  processes_ = event;
  std::sort(processes_.processes.begin(), processes_.processes.end(),
            [](const ProcessFacts& a, const ProcessFacts& b) { return a.pid < b.pid; });
}

void Flags::learn(const HoldersEvent& event) {
  std::vector<const Holding*> held;
  for (const Holding& holding : event.holdings) held.push_back(&holding);
  std::sort(held.begin(), held.end(),
            [](const Holding* a, const Holding* b) { return a->cookie < b->cookie; });
  for (auto it = held.begin(); it != held.end();) {
    std::vector<Holder> holders;
    const std::uint64_t cookie = (*it)->cookie;
    for (; it != held.end() && (*it)->cookie == cookie; ++it) holders.push_back((*it)->holder);
    const Id id = table_.by_cookie(cookie);
    if (id == kNone || table_[id].carrier != Carrier::Full) continue;
    learn_owner(table_, table_[id], holders);
    publisher_.reconsider(table_[id], false);
  }
}

std::vector<ProcessFacts> Flags::facts_of(Nanos at) const {
  return at <= processes_.at ? processes_.processes : std::vector<ProcessFacts>{};
}

// Older facts belong to another event; the facts of this one were lost.
void Flags::add_facts_to(FlagRecord& record, Nanos at) const {
  if (at <= processes_.at) add_facts(processes_.processes, record);
}

void Flags::note_longest(Id id, State state, Nanos dwell) {
  const Connection& connection = table_[id];
  const MptcpView* view = known_mptcp_of(id);
  if (view != nullptr && !view->stands) return;
  const bool orphan = view != nullptr ? view->is_orphan() : connection.orphan;
  const bool held = state == State::CloseWait || (state == State::FinWait2 && !orphan);
  if (!held || !publisher_.passes(connection)) return;
  if (connection.role == Role::Server && connection.owner == 0) return;  // not accepted
  run_.note({.state = state, .dwell = dwell, .socket = publisher_.socket_info(connection)});
}

void Flags::note_longest_of_open(Nanos now) {
  table_.for_each([&](Id id) {
    const Connection& connection = table_[id];
    if (connection.carrier != Carrier::Full) return;
    if (const MptcpView* view = known_mptcp_of(id))
      return note_longest(id, view->state, now - view->begin.latest);
    note_longest(id, connection.state, now - connection.entered);
  });
}

void Flags::advance(Nanos now) {
  timers_.advance(now, [this](Id id) { due(id); });
}

void Flags::answered(Id id, const InquiryEvent& answer) {
  const Connection& connection = table_[id];
  if (MptcpView* view = mptcp_of(id)) return mptcp_answered(id, *view, answer);
  if (answer.state != connection.state) return;
  if (waits_for_accept(answer))
    wait_until(id, answer.at + threshold_of(connection).value_or(kAskAgain));
  else
    raise(id, answer);
}

void Flags::ask_later(Id id, Nanos at) { wait_until(id, at + kAskAgain); }
void Flags::ask_soon(Id id, Nanos at) { wait_until(id, at + kSoon); }

}  // namespace tcpdwell
