// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/run_judge.h"

#include <algorithm>
#include <utility>

#include "lifecycle/cause.h"

namespace tcpdwell {

void RunJudge::leaves(Id id, const TransitionEvent& event) {
  const Connection& connection = table_[id];
  const State state = event.from;
  if (!config_.exit_grace) return;
  if (state != State::CloseWait && state != State::FinWait2) return;
  if (!event.attached || event.dead || !publisher_.passes(connection)) return;
  if (flags_.is_judged_as_mptcp(id)) return;  // its MPTCP socket is judged
  const Nanos age = event.at - connection.entered;
  closes_.note({.state = state, .dwell = age, .socket = publisher_.socket_info(connection)});
  const Process* owner = table_.owner(connection);
  // close() with unread data leaves FIN_WAIT_2 as an RST from the peer does: without `task`.
  const bool owner_exits = !event.task && owner && closes_.is_exiting(owner->pid, event.at);
  const bool by_exit = event.closing && (owner_exits || (event.exiting && event.by_followed));
  const auto threshold = config_.thresholds.of[index(state)];
  const bool over = threshold && age >= *threshold;
  const bool closed_by_exit_only =
      by_exit && state == State::CloseWait && age >= *config_.exit_grace;
  if (!over && !closed_by_exit_only) return;
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
  record.socket = publisher_.socket_info(connection);
  if (connection.flag != FlagStage::Raised) ++flags_.counts().raised;
  const bool may_be_runtime = event.closing && event.task && event.by_followed && !event.sent;
  judge({std::move(record), publisher_.cgroup_id_of(connection), event.at}, by_exit,
        may_be_runtime ? event.task->pid : 0);
}

// `closer`: the process that closed the socket, if its language runtime may have done so; else 0.
void RunJudge::judge(RecentCloses::Judged judged, bool by_exit, std::uint32_t closer) {
  if (by_exit) {
    judged.flag.by_exit = true;
    judged.flag.before_exit = Nanos{0};
  } else if (closer != 0) {
    return closes_.closed(std::move(judged), closer);
  } else {
    judged.flag.slow = true;
  }
  publish(judged);
}

void RunJudge::publish(const RecentCloses::Judged& judged) {
  publisher_.flagged(judged.flag.socket, judged.cgroup_id, judged.at, judged.flag);
}

void RunJudge::released(const ReleaseEvent& event) {
  const DeadFlags::Entry* entry = dead_.find(event.cookie);
  if (entry == nullptr || !config_.exit_grace) return;
  const Nanos since = std::max(entry->ended, event.active);
  if (entry->raised || event.at - since >= *dead_.threshold()) {
    FlagRecord record = dead_.flag_of(*entry, event.at);
    record.cause = !entry->connected  ? Cause::ConnectFailed
                   : event.unread > 0 ? Cause::DataUnread
                                      : Cause::NotClosed;
    if (entry->connected) record.unread_bytes = event.unread;
    record.ended = entry->how;
    record.socket = entry->shown();
    if (!entry->raised) ++flags_.counts().raised;
    judge({std::move(record), entry->cgroup_id, event.at}, event.by_exit && event.by_followed,
          event.by_followed ? event.task.pid : 0);
  }
  dead_.released(*entry, event.at);
}

void RunJudge::exits(const ExitEvent& event) {
  if (exited_.size() < kMostExited) exited_.push_back(event.pid);
  if (config_.exit_grace)
    closes_.exits(event.pid, event.at, *config_.exit_grace,
                  [this](const auto& one) { publish(one); });
}

void RunJudge::advance(Nanos now) {
  if (config_.exit_grace)
    closes_.resolve(now - *config_.exit_grace, [this](const auto& judged) { publish(judged); });
}

// Sockets closed by a process that is still running are slow, not leaked.
void RunJudge::finish() {
  if (!config_.exit_grace) return;
  closes_.resolve(Nanos::max(), [this](const auto& judged) { publish(judged); });
}

}  // namespace tcpdwell
