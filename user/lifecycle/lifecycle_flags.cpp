// SPDX-License-Identifier: Apache-2.0
// Flags: sockets that have been in a state for longer than its threshold, while they are.
#include <algorithm>
#include <array>
#include <iterator>

#include "lifecycle/cause.h"
#include "model/holders.h"
#include "lifecycle/lifecycle.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

constexpr Nanos kAskAgain = 1s;       // the kernel could not be asked, or said what cannot be
constexpr Nanos kAfterDoubt = 100ms;  // it moved when it was asked

void learn_owner(ConnectionTable& table, Connection& connection,
                 const std::vector<Holder>& holders) {
  if (connection.owner != 0) return;
  if (const Process* process = only_holder(holders)) table.set_owner(connection, *process, Via::Fd);
}

// `run`: nobody has accepted it, or others alone hold it. What is on its way through a unix socket
// is held by nobody.
bool is_commands(const InquiryEvent& event, bool attached) {
  if (event.kind != SocketKind::Full) return true;
  return attached && (event.holders.empty() || is_held_by_followed(event.holders));
}

bool carries(Carrier carrier, SocketKind kind) {
  switch (kind) {
    case SocketKind::Full: return carrier == Carrier::Full;
    case SocketKind::Minisock: return carrier == Carrier::Minisock;
    case SocketKind::Request: return carrier == Carrier::Request;
  }
  return false;
}

// A minisock has what its socket had when it was made: none, if nobody had asked for one by then.
std::uint64_t cookie_now(const Connection& connection) {
  return connection.carrier == Carrier::Minisock && !connection.minisock_cookie ? 0
                                                                                : connection.cookie;
}

// Raised at `at`, for the state that it is in.
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

// (Re)starts the clock of the state that it is in. `orphaned`: when it was, if that is known.
void Lifecycle::watch(Id id, Nanos orphaned) {
  Connection& connection = table_[id];
  if (connection.flag == FlagStage::Raised) return;
  connection.flag = FlagStage::None;
  if (const MptcpView* view = known_mptcp_of(id)) return watch_mptcp(id, *view);
  const auto threshold = threshold_of(connection);
  if (!threshold || connection.verdict == Verdict::Hide) return stop_timer(connection);
  const bool spared = config_.thresholds.since_orphaned && connection.state == State::FinWait2;
  wait_until(id, std::max(flagged_from(connection), spared ? orphaned : Nanos{}) + *threshold);
}

// When its threshold begins to count: if it passes, the flag's is_certainly_stuck() says so; or
// that is what must be found out.
Nanos Lifecycle::flagged_from(const Connection& connection) const {
  if (connection.entered_known) return connection.entered;
  const auto earliest = table_.entered_earliest(connection);
  const bool counts =
      earliest && (config_.flags_uncertain || connection.entered - *earliest <= kBoundsAgree);
  return counts ? *earliest : connection.entered;
}

std::optional<Nanos> Lifecycle::threshold_of(const Connection& connection) const {
  return config_.thresholds.for_state(connection.state, connection.orphan);
}

void Lifecycle::wait_until(Id id, Nanos at) {
  Connection& connection = table_[id];
  connection.flag = FlagStage::Waiting;
  connection.timer = timers_.schedule(connection.timer, id, at);
}

void Lifecycle::stop_timer(Connection& connection) {
  timers_.cancel(std::exchange(connection.timer, 0));
}

// Its threshold has passed. The kernel has the last word: an event may have been lost, and a FIN
// to an orphan may have come unseen.
void Lifecycle::flag_due(Id id) {
  Connection& connection = table_[id];
  connection.timer = 0;
  if (connection.verdict == Verdict::Hide) connection.flag = FlagStage::None;
  if (connection.flag != FlagStage::Waiting) return;
  connection.flag = FlagStage::Asked;
  ask(id, true);
}

void Lifecycle::ask(Id id, bool for_flag, bool for_end) {
  Connection& connection = table_[id];
  // A socket whose first sign is its end had no cookie before, and its minisock has none.
  const bool just_given =
      for_end && connection.carrier == Carrier::Full && !connection.entered_known;
  questions_.push_back({.id = id,
                        .generation = table_.generation(id),
                        .serial = ++connection.question,
                        .cookie = just_given ? 0 : cookie_now(connection),
                        .flow = table_.flow(connection),
                        .state = connection.state,
                        .for_flag = for_flag,
                        .for_end = for_end,
                        .mptcp = for_flag && mptcp_of(id) != nullptr});
}

// A minisock becomes nothing else, and a request no minisock; and what was asked for by its
// addresses alone may be another connection that has them now.
bool Lifecycle::is_successor(Id id, const InquiryEvent& event) {
  const Connection& connection = table_[id];
  const bool other = cookie_now(connection) == 0 && event.cookie != 0 &&
                     table_.by_cookie(event.cookie) != kNone &&
                     table_.by_cookie(event.cookie) != id;
  const bool minisock = event.kind == SocketKind::Minisock;
  return other || (connection.carrier == Carrier::Minisock && !minisock) ||
         (connection.carrier == Carrier::Request && minisock);
}

std::optional<Lifecycle::Subject> Lifecycle::subject_of(const InquiryEvent& answer) const {
  if (!table_.alive(answer.id, answer.generation)) return std::nullopt;
  const Connection& connection = table_[answer.id];
  if (answer.serial != connection.question) return std::nullopt;
  return Subject{connection.cookie, connection.object, connection.entered};
}

bool Lifecycle::retarget_answer(InquiryEvent& answer, const Subject& subject) const {
  Id id = subject.object == 0 ? kNone : table_.by_object(subject.object);
  if (id == kNone && subject.cookie != 0) id = table_.by_cookie(subject.cookie);
  if (id == kNone) return false;
  const Connection& connection = table_[id];
  if (connection.cookie != subject.cookie || connection.entered != subject.entered) return false;
  const bool end_asked = connection.pending_end != PendingEnd::None && connection.end_asked;
  if (connection.flag == FlagStage::Waiting && !end_asked) return false;
  answer.id = id;
  answer.generation = table_.generation(id);
  answer.serial = connection.question;
  return true;
}

void Lifecycle::on_event(const InquiryEvent& event) {
  if (!table_.alive(event.id, event.generation)) return;
  Connection& connection = table_[event.id];
  if (event.serial != connection.question) return;  // it has moved on since
  if (connection.pending_end != PendingEnd::None && connection.end_asked) return end_answered(event.id, event);
  const bool for_flag = connection.flag == FlagStage::Asked;
  if (event.presence == Presence::Unknown) {
    if (for_flag) wait_until(event.id, event.at + kAskAgain);
    return;
  }
  if (connection.pending_end != PendingEnd::None) {  // an end may have been seen, and waits to be understood
    if (for_flag) wait_until(event.id, event.at + kAfterDoubt);
    return;
  }
  if (for_flag) connection.flag = FlagStage::None;
  if (connection.state == State::Listen && event.kind == SocketKind::Full)
    listen_answered(event.id, event);
  if (event.presence == Presence::Gone || is_successor(event.id, event)) {
    count_resync(event.at);
    return give_up(event.id, event.at);
  }
  if (MptcpView* view = for_flag ? mptcp_of(event.id) : nullptr)
    mptcp_answered(event.id, *view, event);
  else if (event.state == connection.state && for_flag && waits_for_accept(event))
    wait_until(event.id, event.at + threshold_of(connection).value_or(kAskAgain));
  else if (event.state == connection.state && for_flag)
    raise_flag(event.id, event);
  // A Fast Open child that nobody has accepted looks like a request to those who ask.
  const bool itself = connection.carrier == Carrier::Full && event.cookie == connection.cookie &&
                      event.state == State::SynReceived;
  if (carries(connection.carrier, event.kind) || itself) {
    // Where segments are not seen, a minisock's FIN is dated when the minisock ends: it knows it.
    if (event.state == connection.state) return;
    if (connection.origin_lost) return find_lost_origin(event.id, event.at);
    if (event.kind != SocketKind::Full) return void(answered_otherwise(event.id, event));
    count_resync(event.at);
    return bridge_gap(event.id, event.state, event.at);
  }
  if (answered_otherwise(event.id, event)) return;
  // Another object has taken its place, and we have not heard of it.
  wants_snapshot_ = true;
  if (for_flag && connection.flag == FlagStage::None) wait_until(event.id, event.at + kAskAgain);
}

// Nobody has it yet: whatever its state, the flag of its time in the queue is what there is to say.
// In a recording of an older version no queue was looked into.
bool Lifecycle::waits_for_accept(const InquiryEvent& event) const {
  return config_.thresholds.accept && event.kind == SocketKind::Full && !event.attached &&
         (event.state == State::Established || event.state == State::CloseWait);
}

// It was accepted: the flag of its state, which had to wait, may be due.
void Lifecycle::watch_accepted(Id id, Nanos at) {
  const Connection& connection = table_[id];
  if (connection.flag != FlagStage::Waiting) return;
  const auto threshold = threshold_of(connection);
  if (threshold && connection.entered + *threshold <= at) watch(id);
}

void Lifecycle::raise_flag(Id id, const InquiryEvent& event) {
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
  if (config_.exit_grace && !is_commands(event, attached)) return;
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
    record.other_end = event.other_end;
  }
  record.send_wait = event.send_wait;
  record.inherited_from = event.inherited_from;
  record.holders = visible_holders(event.holders);
  // Facts that are older than the answer are of another one: those of this are lost.
  if (event.at <= processes_.at) add_facts(processes_.processes, record);
  connection.flag_cause = record.cause;
  if (!publisher_.flagged(connection, event.at, std::move(record))) return;
  connection.flag = FlagStage::Raised;
  connection.flagged_as_orphan = view != nullptr ? view->socket.dead : connection.orphan;
  ++flags_raised_;
  ++flags_open_;
}

// It left `from`, in which it was for `dwell`. Of a subflow only the end matters.
void Lifecycle::on_state_left(Id id, State from, const Dwell& dwell, Nanos at) {
  if (known_mptcp_of(id) == nullptr) return clear_flag(id, from, dwell, at);
  if (table_[id].state != State::Closed) return;
  leave_judged(id, at);
  mptcp_.erase(id);
  wants_snapshot_ = true;  // another subflow may stand for it now
}

void Lifecycle::clear_flag(Id id, State from, const Dwell& dwell, Nanos at) {
  Connection& connection = table_[id];
  const bool raised = connection.flag == FlagStage::Raised;
  if (config_.exit_grace) note_longest(id, from, dwell.value);
  connection.flag = FlagStage::None;
  ++connection.question;
  if (!raised) return;
  --flags_open_;
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

std::vector<WatchedState> Lifecycle::watched_states(Nanos now) const {
  std::array<WatchedState, kStates> all{};
  table_.for_each([&](Id id) {
    const Connection& connection = table_[id];
    const MptcpView* view = known_mptcp_of(id);
    if (view != nullptr && !view->stands) return;
    const auto threshold = view != nullptr ? threshold_of(*view) : threshold_of(connection);
    if (!threshold || connection.carrier == Carrier::Newborn || connection.pending_end != PendingEnd::None ||
        !publisher_.passes(connection))
      return;
    FlagRecord record = view != nullptr ? mptcp_flag(*view, now) : flag_of(table_, connection, now);
    record.threshold = *threshold;
    WatchedState& state = all[index(record.state)];
    ++state.sockets;
    state.oldest = std::max(state.oldest, record.dwell.value);
    if (is_of_unknown_age(record)) ++state.unknown_age;
  });
  dead_.for_each([&](const DeadEntry& entry) {
    if (entry.connected && entry.decided) add_watched(entry, now, all[index(State::Closed)]);
  });
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

void Lifecycle::drop_flag(Id id) {
  if (!mptcp_.empty()) mptcp_.erase(id);
  table_[id].flag = FlagStage::None;
  stop_timer(table_[id]);
}

void Lifecycle::on_event(const ProcessesEvent& event) {
  processes_ = event;
  std::sort(processes_.processes.begin(), processes_.processes.end(),
            [](const ProcessFacts& a, const ProcessFacts& b) { return a.pid < b.pid; });
}

// Facts that are older than the walk are of another one: those of this are lost.
void Lifecycle::on_event(const AcceptQueuesEvent& event) {
  const bool fit = event.at <= processes_.at;
  queues_.walked(event, fit ? processes_.processes : std::vector<ProcessFacts>{});
}

void Lifecycle::on_event(const HoldersEvent& event) {
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

}  // namespace tcpdwell
