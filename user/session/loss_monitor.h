// SPDX-License-Identifier: Apache-2.0
// Passes ring records to the pipeline, and turns the loss counters of the kernel into loss events.
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

  // Watches the counters: the table gets a loss before the records that were queued after it.
  // `shared` must outlive this.
  void watch(const tcpdwell_shared& shared) { shared_ = &shared; }
  // Ignore losses from before this session.
  void begin(const tcpdwell_shared& shared, const Missed& missed);
  // Reports new losses since the last call. Call it after a drain.
  void check_ring_loss(const tcpdwell_shared& shared, Nanos now);
  void check_missed(const Missed& missed, Nanos now);

  std::uint64_t records() const { return records_; }

 private:
  void notice_ring_loss();

  EventPipeline& pipeline_;
  const tcpdwell_shared* shared_ = nullptr;
  std::uint64_t noticed_ = 0;  // value of shared_->lost_events
  std::uint64_t records_ = 0;
  std::uint64_t ring_events_ = 0, ring_transitions_ = 0;
  std::uint64_t damaged_told_ = 0;
  Missed missed_;
};

}  // namespace tcpdwell
