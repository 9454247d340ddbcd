// SPDX-License-Identifier: Apache-2.0
// `run`: what of the command's sockets was left behind, and what was only slow. A process that ends
// closes what it forgot to close; so does an interpreter just before it ends (RunBook).
#include <algorithm>
#include <utility>

#include "lifecycle/cause.h"
#include "lifecycle/lifecycle.h"

namespace tcpdwell {

// It was in CLOSE_WAIT, or in FIN_WAIT_2 while a process held it, for so long.
void Lifecycle::note_longest(Id id, State state, Nanos dwell) {
  const Connection& connection = table_[id];
  const MptcpView* view = known_mptcp_of(id);
  if (view != nullptr && !view->stands) return;
  const bool orphan = view != nullptr ? view->is_orphan() : connection.orphan;
  const bool held = state == State::CloseWait || (state == State::FinWait2 && !orphan);
  if (!held || !publisher_.passes(connection)) return;
  if (connection.role == Role::Server && connection.owner == 0) return;  // nobody accepted it
  run_.note({.state = state, .dwell = dwell, .socket = publisher_.described(connection)});
}

// It leaves CLOSE_WAIT, or FIN_WAIT_2 while a process holds it, or is closed there.
void Lifecycle::judge_leaving(Id id, const TransitionEvent& event) {
  const Connection& connection = table_[id];
  const State state = event.from;
  if (state != State::CloseWait && state != State::FinWait2) return;
  if (!event.attached || event.dead || !publisher_.passes(connection)) return;
  if (known_mptcp_of(id) != nullptr) return;  // its MPTCP socket is judged
  const Nanos age = event.at - connection.entered;
  run_.note({.state = state, .dwell = age, .socket = publisher_.described(connection)});
  const Process* owner = table_.owner(connection);
  // close() with data unread leaves FIN_WAIT_2 as an RST does.
  const bool owner_exits = !event.task && owner && run_.is_exiting(owner->pid, event.at);
  const bool by_exit = event.closing && (owner_exits || (event.exiting && event.by_followed));
  const auto threshold = config_.thresholds.of[index(state)];
  const bool over = threshold && age >= *threshold;
  const bool in_vain = by_exit && state == State::CloseWait && age >= *config_.exit_grace;
  if (!over && !in_vain) return;
  const StuckFacts facts{.state = state,
                         .attached = true,
                         .receive_queue = event.receive_queue,
                         .send_queue = event.unacked ? 1U : 0U};
  FlagRecord record;
  record.state = state;
  record.threshold = over ? *threshold : *config_.exit_grace;
  record.dwell = {age, std::nullopt};
  if (connection.entered_known) record.dwell.error = table_.entered_error(connection);
  record.cause = cause_of(facts);
  record.unread_bytes = unread_bytes(facts);
  record.socket = publisher_.described(connection);
  if (connection.flag != FlagStage::Raised) ++flags_raised_;
  const bool last_words = event.closing && event.task && event.by_followed && !event.sent;
  judge({std::move(record), publisher_.cgroup_id_of(connection), event.at}, by_exit,
        last_words ? event.task->pid : 0);
}

// `closer`: the process that closed it, if it may be its runtime that did; 0: it is not.
void Lifecycle::judge(RunBook::Judged judged, bool by_exit, std::uint32_t closer) {
  if (by_exit) {
    judged.flag.by_exit = true;
    judged.flag.before_exit = Nanos{0};
  } else if (closer != 0) {
    return run_.closed(std::move(judged), closer);
  } else {
    judged.flag.slow = true;
  }
  tell(judged);
}

void Lifecycle::tell(const RunBook::Judged& judged) {
  publisher_.flagged(judged.flag.socket, judged.cgroup_id, judged.at, judged.flag);
}

void Lifecycle::on_event(const ReleaseEvent& event) {
  const DeadEntry* entry = dead_.find(event.cookie);
  if (entry == nullptr || !config_.exit_grace) return;
  const Nanos since = std::max(entry->ended, event.active);
  if (entry->raised || event.at - since >= *threshold_of_closed()) {
    FlagRecord record = dead_flag(*entry, event.at);
    record.cause = !entry->connected  ? Cause::ConnectFailed
                   : event.unread > 0 ? Cause::DataUnread
                                      : Cause::NotClosed;
    if (entry->connected) record.unread_bytes = event.unread;
    record.ended = entry->how;
    record.socket = entry->shown();
    if (!entry->raised) ++flags_raised_;
    judge({std::move(record), entry->cgroup_id, event.at}, event.by_exit && event.by_followed,
          event.by_followed ? event.task.pid : 0);
  }
  if (entry->raised) clear_dead(*entry, event.at, Nanos{0});
  dead_.erase(event.cookie);
}

void Lifecycle::on_event(const ExitEvent& event) {
  if (config_.exit_grace)
    run_.exits(event.pid, event.at, *config_.exit_grace, [this](const auto& one) { tell(one); });
}

// Those whose processes live on are not left behind by them.
void Lifecycle::finish_run(Nanos now) {
  run_.resolve(Nanos::max(), [this](const auto& judged) { tell(judged); });
  table_.for_each([&](Id id) {
    const Connection& connection = table_[id];
    if (connection.carrier != Carrier::Full) return;
    if (const MptcpView* view = known_mptcp_of(id))
      return note_longest(id, view->state, now - view->begin.latest);
    note_longest(id, connection.state, now - connection.entered);
  });
}

}  // namespace tcpdwell
