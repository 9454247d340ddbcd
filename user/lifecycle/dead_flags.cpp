// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/dead_flags.h"

#include <algorithm>
#include <utility>

#include "model/holders.h"
#include "model/kernel_time.h"

namespace tcpdwell {
namespace {

using namespace std::chrono_literals;

// An application that notices the end of a connection closes the socket within this time.
constexpr Nanos kNoticedCloseWait = 300ms;
// Interval between scans for flagged descriptors: the threshold, within these bounds.
constexpr Nanos kRescanMin = 1s, kRescanMax = 10s;
// How late a scan may be, so that it serves several entries.
constexpr Nanos kCombineMin = 200ms, kCombineMax = 1s;
constexpr Nanos kCgroupRetry = 100ms;  // retry interval while the path of a cgroup is not known
// Allowed difference between a socket's time stamp and its last transition.
constexpr Nanos kStampSlack = 1ms;
// Resolution of the time stamps.
constexpr Nanos kStampError = 1us;

// The end of the connection, or a later use of the socket.
Nanos quiet_since(const DeadDescriptors::Entry& entry, const DeadSocket& socket) {
  if (socket.mptcp) return entry.ended;  // MPTCP does not stamp reads of remaining data
  return socket.active > entry.ended + kStampSlack ? socket.active : entry.ended;
}

Cause cause_of(const DeadSocket& socket) {
  if (socket.connect_failed) return Cause::ConnectFailed;
  return socket.unread > 0 || socket.uncounted ? Cause::DataUnread : Cause::NotClosed;
}

// The socket has a new connection.
bool is_in_use(const Connection& connection) {
  return connection.carrier == Carrier::Full && connection.pending_end != PendingEnd::Closed;
}

}  // namespace

std::optional<Nanos> DeadFlags::look_due() {
  const auto threshold = this->threshold();
  if (!threshold) return std::nullopt;
  return dead_.due(std::clamp(*threshold, kRescanMin, kRescanMax));
}

Nanos DeadFlags::looks_apart() const {
  return std::clamp(threshold().value_or(Nanos{}) / 60, kCombineMin, kCombineMax);
}

std::optional<DeadFlags::Entry> DeadFlags::entry_of(Id id, const TransitionEvent& event) const {
  const bool held = event.attached && !event.closing && !event.dead;
  const auto threshold = this->threshold();
  if (!held || !threshold || event.cookie == 0 || event.from == State::Listen) return std::nullopt;
  const Connection& connection = table_[id];
  if (!publisher_.passes(connection)) return std::nullopt;
  Entry entry{.socket = publisher_.socket_info(connection),
              .cgroup_id = publisher_.cgroup_id_of(connection),
              .ended = event.at,
              .error = Nanos{0},
              .not_before = {},
              .how = Ended::Fin,
              .connected = event.from != State::SynSent,
              .at_once = connection.flag_cause != Cause::None};
  entry.socket.cookie = event.cookie;
  entry.due = event.at + (entry.at_once ? std::min(kNoticedCloseWait, *threshold) : *threshold);
  return entry;
}

void DeadFlags::keep(const std::optional<Entry>& entry) {
  if (entry && !dead_.add(*entry)) dead_.want_look(entry->ended + kRescanMin);
}

void DeadFlags::used_again(std::uint64_t cookie, Nanos at) {
  const Entry* entry = dead_.find(cookie);
  if (entry == nullptr) return;
  if (entry->raised) clear(*entry, at, Nanos{0});
  dead_.erase(cookie);
}

void DeadFlags::looked(const DeadEvent& event) {
  if (!threshold()) return;
  for (const DeadSocket& socket : event.sockets) found(socket, event.at);
  dead_.looked(event.at, [&](const Entry& entry) {
    if (!entry.raised) return;
    const Nanos half = (event.at - std::max(entry.found, entry.ended)) / 2;
    clear(entry, event.at - half, half);
  });
}

DeadFlags::Entry* DeadFlags::known(const DeadSocket& socket) {
  if (const Id id = table_.by_cookie(socket.cookie);
      id != ConnectionTable::kNone && is_in_use(table_[id]))
    return nullptr;
  if (Entry* entry = dead_.find(socket.cookie)) return entry;
  const auto entry = older(socket);
  if (!entry || !dead_.add(*entry, true)) return nullptr;
  return dead_.find(socket.cookie);
}

// An entry for a connection that ended before the trace or unseen.
std::optional<DeadFlags::Entry> DeadFlags::older(const DeadSocket& socket) const {
  Entry entry{.socket = {.cookie = socket.cookie, .flow = socket.flow, .cgroup = {}},
              .cgroup_id = socket.sock_cgroup_id,
              .ended = socket.active,
              .error = {},
              .not_before = {},
              .connected = !socket.connect_failed,
              .decided = false,
              .due = socket.at};
  if (socket.active_exact) entry.error = kStampError;
  for (const auto& ago : {socket.received_ago, socket.sent_ago})
    if (ago)
      entry.not_before = std::max(entry.not_before.value_or(Nanos{0}),
                                  JiffyTimes(socket.at, config_.hz).at(*ago + 1LL));
  if (const Process* process = only_holder(socket.holders)) {
    entry.socket.owner = Owner{*process, Via::Fd};
    if (process->cgroup_id != 0) entry.cgroup_id = process->cgroup_id;
  }
  if (socket.connect_failed) entry.socket.role = Role::Client;
  return entry;
}

void DeadFlags::found(const DeadSocket& socket, Nanos look) {
  const Nanos threshold = *this->threshold();
  Entry* entry = known(socket);
  if (entry == nullptr) return;
  entry->found = look;
  entry->mptcp = socket.mptcp;
  if (entry->raised) return;
  if (!entry->decided) {
    const Verdict verdict = publisher_.judge(entry->socket, entry->cgroup_id);
    if (verdict == Verdict::Hide) return dead_.erase(socket.cookie);
    if (verdict == Verdict::NotYet) return dead_.put_off(*entry, socket.at + kCgroupRetry);
    entry->decided = true;
  }
  const Nanos since = quiet_since(*entry, socket);
  // A read of remaining data hides the exact end: only bounds are known. If data is left, assume
  // that the process still reads.
  const bool may_be_over = config_.flags_uncertain && !entry->error && entry->not_before &&
                           socket.unread == 0 && socket.at - *entry->not_before >= threshold;
  const bool over = socket.at - since >= threshold || may_be_over;
  const bool ours = !config_.exit_grace || is_held_by_followed(socket.holders);
  if ((over || entry->at_once) && ours) return raise(*entry, socket);
  dead_.put_off(*entry,
                std::max(since, ours ? Nanos{0} : socket.at) + std::max(threshold, Nanos{1ms}));
}

FlagRecord DeadFlags::flag_of(const Entry& entry, Nanos at) const {
  FlagRecord record;
  record.state = State::Closed;
  record.mptcp = entry.mptcp;
  record.threshold = threshold().value_or(Nanos{});
  record.dwell = {std::max(at - entry.ended, Nanos{0}), entry.error};
  if (!entry.error && entry.not_before) record.at_most = at - *entry.not_before;
  return record;
}

void DeadFlags::add_watched(Nanos now, WatchedState& closed) const {
  dead_.for_each([&](const Entry& entry) {
    if (entry.connected && entry.decided) closed.add(flag_of(entry, now));
  });
}

void DeadFlags::raise(Entry& entry, const DeadSocket& socket) {
  FlagRecord record = flag_of(entry, socket.at);
  record.cause = cause_of(socket);
  if (entry.connected && !socket.uncounted) record.unread_bytes = socket.unread;
  record.holders = visible_holders(socket.holders);
  flags_.add_facts_to(record, socket.at);
  record.ended = entry.how;
  record.pending_error = socket.err;
  dead_.raise(entry, record.cause);
  ++flags_.counts().raised;
  ++flags_.counts().open;
  publisher_.flagged(entry.shown(), entry.cgroup_id, socket.at, std::move(record));
}

void DeadFlags::clear(const Entry& entry, Nanos at, Nanos error) {
  --flags_.counts().open;
  FlagRecord record = flag_of(entry, at);
  record.raised = false;
  record.at_most.reset();
  if (record.dwell.error) *record.dwell.error += error;
  record.cause = entry.cause;
  record.ended = entry.how;
  publisher_.flagged(entry.shown(), entry.cgroup_id, at, std::move(record));
}

void DeadFlags::released(const Entry& entry, Nanos at) {
  const std::uint64_t cookie = entry.socket.cookie;
  if (entry.raised) clear(entry, at, Nanos{0});
  dead_.erase(cookie);
}

}  // namespace tcpdwell
