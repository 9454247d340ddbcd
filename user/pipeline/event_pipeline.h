// SPDX-License-Identifier: Apache-2.0
// The one way into the table, for a live run and for a replay: the kernel's records and the notes
// of user space, in one order. Decodes, counts, and writes the run's first and last record.
//
// Pure: what it is told, and when that says it happened, is all that it depends on.
#pragma once

#include <cstdint>
#include <span>

#include "pipeline/prefetch_batch.h"
#include "lifecycle/lifecycle.h"
#include "model/user_event.h"
#include "model/observer.h"
#include "model/record.h"

namespace tcpdwell {

// Who keeps what a EventPipeline is told, as it is told.
class RunLog {
 public:
  virtual ~RunLog() = default;
  // `record` is valid during the call only.
  virtual void record(std::span<const std::byte> record) noexcept = 0;
  // An answer that is a note is about `lifecycle` as it is before it.
  virtual void user_event(const UserEvent& event, const Lifecycle& lifecycle) noexcept = 0;
};

class EventPipeline {
 public:
  // All must outlive it; `tape` and `observer` may be null. `start` is written with Began, at its
  // time.
  EventPipeline(const StartRecord& start, Lifecycle& lifecycle, Sink& sink, RunLog* log = nullptr,
       Observer* observer = nullptr)
      : start_(start),
        lifecycle_(lifecycle),
        sink_(sink),
        log_(log),
        observer_(observer),
        batch_(lifecycle) {}

  // One of the ring. It may be worked on later, but before any note: see apply_batch().
  void record(std::span<const std::byte> record) noexcept;
  void user_event(const UserEvent& event) noexcept;
  // Works on what was put aside.
  void apply_batch() noexcept;

  std::uint64_t events() const { return events_; }    // those that are no part of a snapshot
  std::uint64_t damaged() const { return damaged_; }  // records that are none; some of events()
  Nanos last_at() const { return last_at_; }          // of the last record
  const EndRecord& end() const { return end_; }       // once it was told of it

 private:
  void apply(const Event& event);
  void take(const Began&);
  void take(const Ticked& tick);
  void take(const SnapshotBegan&);
  void take(const SnapshotOver&);
  void take(const QueueWalkBegan&);
  void take(const LossEvent& loss);
  void take(const Stopped& stop);
  void take(const Finished& end);
  template <typename Answer>
  void take(const Answer& answer) {
    lifecycle_.on(answer);
  }

  const StartRecord& start_;
  Lifecycle& lifecycle_;
  Sink& sink_;
  RunLog* log_;
  Observer* observer_;
  PrefetchBatch batch_;
  std::uint64_t events_ = 0, transitions_ = 0, damaged_ = 0;
  std::uint64_t lost_ = 0, transitions_lost_ = 0, ring_full_ = 0;
  Nanos last_at_{};
  Nanos stop_{Nanos::max()};
  EndRecord end_;
};

}  // namespace tcpdwell
