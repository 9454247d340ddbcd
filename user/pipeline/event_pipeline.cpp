// SPDX-License-Identifier: Apache-2.0
#include "pipeline/event_pipeline.h"

#include <utility>
#include <variant>

namespace tcpdwell {

void EventPipeline::record(std::span<const std::byte> record) noexcept {
  if (log_ != nullptr) log_->record(record);
  if (!batch_.add(record)) {
    ++damaged_;
    ++events_;
  }
  if (batch_.full()) apply_batch();
}

void EventPipeline::apply_batch() noexcept {
  batch_.empty([this](const Event& event) { apply(event); });
}

void EventPipeline::apply(const Event& event) {
  const Nanos at = std::visit([](const auto& e) { return e.at; }, event);
  if (at >= stop_) return;
  if (!std::holds_alternative<SnapshotEvent>(event)) ++events_;
  if (std::holds_alternative<TransitionEvent>(event)) ++transitions_;
  last_at_ = at;
  lifecycle_.on(event);
}

void EventPipeline::user_event(const UserEvent& event) noexcept {
  apply_batch();
  if (log_ != nullptr) log_->user_event(event, lifecycle_);
  std::visit([this](const auto& what) { take(what); }, event);
}

void EventPipeline::take(const Began&) {
  StartRecord start = start_;
  start.when = lifecycle_.when(start_.when.mono);
  sink_.write(start);
}

void EventPipeline::take(const Ticked& tick) {
  lifecycle_.tick(tick.at);
  if (observer_ != nullptr) observer_->ticked(tick.at, lifecycle_);
}

void EventPipeline::take(const SnapshotBegan&) { lifecycle_.snapshot_begins(); }

void EventPipeline::take(const SnapshotOver&) { lifecycle_.snapshot_ended(); }

void EventPipeline::take(const QueueWalkBegan&) { lifecycle_.queue_walk_begins(); }

void EventPipeline::take(const LossEvent& loss) {
  lost_ += loss.events;
  transitions_lost_ += loss.transitions;
  if (loss.cause == LossCause::RingFull) ring_full_ += loss.events;
  lifecycle_.on(loss);
}

void EventPipeline::take(const Stopped& stop) { stop_ = stop.at; }

void EventPipeline::take(const Finished& end) {
  lifecycle_.finish(end.at);
  if (observer_ != nullptr) observer_->finished(end.at, lifecycle_);
  end_ = {.when = lifecycle_.when(end.at),
          .events = events_,
          .transitions = transitions_,
          .lost = lost_,
          .transitions_lost = transitions_lost_,
          .ring_full = ring_full_,
          .connections = lifecycle_.connections_ended(),
          .open = lifecycle_.open(),
          .passed = lifecycle_.passed(),
          .flags_raised = lifecycle_.flags_raised(),
          .flags_open = lifecycle_.flags_open(),
          .evicted = lifecycle_.evicted(),
          .unseen = lifecycle_.unseen(),
          .corrected = lifecycle_.corrected(),
          .mptcp_not_judged = lifecycle_.mptcp_not_judged(),
          .elapsed = end.at - start_.when.mono,
          .longest = lifecycle_.longest(),
          .truncated = end.truncated};
  sink_.write(end_);
}

}  // namespace tcpdwell
