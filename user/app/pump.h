// SPDX-License-Identifier: Apache-2.0
// Between ring and table: decodes, counts, and turns the kernel's loss counters into loss events.
#pragma once

#include <cstdint>

#include "core/intake.h"
#include "core/lifecycle.h"
#include "kernel/programs.h"
#include "kernel/ring_reader.h"

namespace tcpdwell {

class Pump final : public RecordHandler {
 public:
  explicit Pump(Lifecycle& lifecycle) : lifecycle_(lifecycle), intake_(lifecycle) {}
  void handle(std::span<const std::byte> record) noexcept override;
  void drained() noexcept override;

  // From now on the table learns of a loss before what was queued after it. `shared` must outlive
  // this.
  void watch(const tcpdwell_shared& shared) { shared_ = &shared; }
  // What was lost before this is somebody else's.
  void begin(const tcpdwell_shared& shared, const Missed& missed);
  // What happened since is no part of the trace.
  void stop_at(Nanos end) { end_ = end; }
  // Compares with what was lost before, and tells how much it was. Call it after a drain.
  void check_ring_loss(const tcpdwell_shared& shared, Nanos now);
  void check_missed(const Missed& missed, Nanos now);

  std::uint64_t records() const { return records_; }
  std::uint64_t events() const { return events_; }  // those that are no part of a snapshot
  std::uint64_t transitions() const { return transitions_; }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t transitions_lost() const { return transitions_lost_; }
  std::uint64_t ring_full() const { return ring_events_ - ring_events_before_; }
  Nanos last_at() const { return last_at_; }

 private:
  void apply(const Event& event);
  void lose(const LossEvent& event);
  void notice_ring_loss();

  Lifecycle& lifecycle_;
  Intake intake_;
  const tcpdwell_shared* shared_ = nullptr;
  std::uint64_t noticed_ = 0;  // of shared_->lost_events
  std::uint64_t records_ = 0, events_ = 0, transitions_ = 0;
  std::uint64_t lost_ = 0, transitions_lost_ = 0;
  std::uint64_t ring_events_ = 0, ring_transitions_ = 0;
  std::uint64_t ring_events_before_ = 0;
  std::uint64_t damaged_ = 0, damaged_told_ = 0;
  Missed missed_;
  Nanos last_at_{};
  Nanos end_ = Nanos::max();
};

}  // namespace tcpdwell
