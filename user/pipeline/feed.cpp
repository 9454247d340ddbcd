// SPDX-License-Identifier: Apache-2.0
#include "pipeline/feed.h"

#include <utility>
#include <variant>

namespace tcpdwell {

void Feed::record(std::span<const std::byte> record) noexcept {
  if (tape_ != nullptr) tape_->record(record);
  if (!intake_.add(record)) {
    ++damaged_;
    ++events_;
  }
  if (intake_.full()) settle();
}

void Feed::settle() noexcept {
  intake_.empty([this](const Event& event) { apply(event); });
}

void Feed::apply(const Event& event) {
  const Nanos at = std::visit([](const auto& e) { return e.at; }, event);
  if (at >= stop_) return;
  if (!std::holds_alternative<SnapshotEvent>(event)) ++events_;
  if (std::holds_alternative<TransitionEvent>(event)) ++transitions_;
  last_at_ = at;
  lifecycle_.on(event);
}

void Feed::note(const Note& note) noexcept {
  settle();
  if (tape_ != nullptr) tape_->note(note, lifecycle_);
  std::visit([this](const auto& what) { take(what); }, note);
}

void Feed::take(const Began&) {
  StartRecord start = start_;
  start.when = lifecycle_.when(start_.when.mono);
  sink_.write(start);
}

void Feed::take(const Ticked& tick) {
  lifecycle_.tick(tick.at);
  if (observer_ != nullptr) observer_->ticked(tick.at, lifecycle_);
}

void Feed::take(const SnapshotBegan&) { lifecycle_.snapshot_begins(); }

void Feed::take(const SnapshotOver&) { lifecycle_.snapshot_ended(); }

void Feed::take(const QueueWalkBegan&) { lifecycle_.queue_walk_begins(); }

void Feed::take(const LossEvent& loss) {
  lost_ += loss.events;
  transitions_lost_ += loss.transitions;
  if (loss.cause == LossCause::RingFull) ring_full_ += loss.events;
  lifecycle_.on(loss);
}

void Feed::take(const Stopped& stop) { stop_ = stop.at; }

void Feed::take(const Finished& end) {
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
