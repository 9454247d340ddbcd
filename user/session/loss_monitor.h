// SPDX-License-Identifier: Apache-2.0
// From the ring to the table: hands over its records, and turns the kernel's loss counters into
// loss events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/programs.h"
#include "pipeline/event_pipeline.h"

namespace tcpdwell {

class LossMonitor {
 public:
  explicit LossMonitor(EventPipeline& pipeline) : pipeline_(pipeline) {}
  void handle(std::span<const std::byte> record) noexcept;
  void drained() noexcept { pipeline_.apply_batch(); }

  // From now on the table learns of a loss before what was queued after it. `shared` must outlive
  // this.
  void watch(const tcpdwell_shared& shared) { shared_ = &shared; }
  // What was lost before this is somebody else's.
  void begin(const tcpdwell_shared& shared, const Missed& missed);
  // Compares with what was lost before, and tells how much it was. Call it after a drain.
  void check_ring_loss(const tcpdwell_shared& shared, Nanos now);
  void check_missed(const Missed& missed, Nanos now);

  std::uint64_t records() const { return records_; }

 private:
  void notice_ring_loss();

  EventPipeline& pipeline_;
  const tcpdwell_shared* shared_ = nullptr;
  std::uint64_t noticed_ = 0;  // of shared_->lost_events
  std::uint64_t records_ = 0;
  std::uint64_t ring_events_ = 0, ring_transitions_ = 0;
  std::uint64_t damaged_told_ = 0;
  Missed missed_;
};

}  // namespace tcpdwell
