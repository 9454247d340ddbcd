// SPDX-License-Identifier: Apache-2.0
#include "session/loss_monitor.h"

#include <algorithm>
#include <atomic>

#include "kernel/clock.h"

namespace tcpdwell {
namespace {

// The kernel writes it concurrently.
std::uint64_t load(const __u64& counter) {
  return std::atomic_ref<__u64>(const_cast<__u64&>(counter)).load(std::memory_order_relaxed);
}

}  // namespace

void LossMonitor::handle(std::span<const std::byte> record) noexcept {
  ++records_;
  notice_ring_loss();
  pipeline_.record(record);
}

// The kernel counts a drop before it queues later records. So all drops before the current record
// are counted by now.
void LossMonitor::notice_ring_loss() {
  if (shared_ == nullptr) return;
  const std::uint64_t events = load(shared_->lost_events);
  if (events == noticed_) return;
  noticed_ = events;
  const Nanos now = monotonic_now();
  pipeline_.user_event(LossEvent{.at = now, .cause = LossCause::RingFull, .counted = false});
}

void LossMonitor::begin(const tcpdwell_shared& shared, const Missed& missed) {
  ring_transitions_ = load(shared.lost_transitions);
  ring_events_ = noticed_ = load(shared.lost_events);
  missed_ = missed;
}

void LossMonitor::check_ring_loss(const tcpdwell_shared& shared, Nanos now) {
  // The kernel counts an event before its transition. Reading in the opposite order never gives
  // more transitions than events.
  const std::uint64_t transitions = load(shared.lost_transitions);
  const std::uint64_t events = load(shared.lost_events);
  if (events != ring_events_ || transitions != ring_transitions_)
    pipeline_.user_event(LossEvent{.at = now,
                                   .cause = LossCause::RingFull,
                                   .events = events - ring_events_,
                                   .transitions = transitions - ring_transitions_});
  ring_events_ = events;
  ring_transitions_ = transitions;
  const std::uint64_t damaged = pipeline_.damaged();
  if (damaged != damaged_told_)
    pipeline_.user_event(
        LossEvent{.at = now, .cause = LossCause::Damaged, .events = damaged - damaged_told_});
  damaged_told_ = damaged;
}

void LossMonitor::check_missed(const Missed& missed, Nanos now) {
  // A record in progress may be counted already; it is reported later.
  const std::uint64_t transitions =
      missed.transitions - std::min(missed.transitions, missed_.transitions);
  const std::uint64_t at_most = missed.at_most - missed_.at_most;
  missed_ = {.transitions = std::max(missed.transitions, missed_.transitions),
             .at_most = missed.at_most};
  if (transitions != 0 || at_most != 0)
    pipeline_.user_event(LossEvent{.at = now,
                                   .cause = LossCause::Recursion,
                                   .events = transitions,
                                   .transitions = transitions,
                                   .at_most = at_most});
}

}  // namespace tcpdwell
