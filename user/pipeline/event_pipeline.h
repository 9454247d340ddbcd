// SPDX-License-Identifier: Apache-2.0
// The only input of the lifecycle table, in a live run and in a replay: kernel records and user
// events, in one order. Decodes, counts, and writes the run's first and last record.
//
// Pure: it depends only on its input and on the times in it.
#pragma once

#include <cstdint>
#include <span>

#include "lifecycle/lifecycle.h"
#include "model/observer.h"
#include "model/record.h"
#include "model/user_event.h"
#include "pipeline/prefetch_batch.h"

namespace tcpdwell {

// Receives a copy of the input of an EventPipeline, in the same order.
class RunLog {
 public:
  virtual ~RunLog() = default;
  // `record` is valid during the call only.
  virtual void record(std::span<const std::byte> record) noexcept = 0;
  // Called before the event is applied: `lifecycle` has the state that the event refers to.
  virtual void user_event(const UserEvent& event, const Lifecycle& lifecycle) noexcept = 0;
};

class EventPipeline {
 public:
  // All arguments must outlive the pipeline; `log` and `observer` may be null. `start` is written
  // at Began, with the time in `start`.
  EventPipeline(const StartRecord& start, Lifecycle& lifecycle, Sink& sink, RunLog* log = nullptr,
                Observer* observer = nullptr)
      : start_(start),
        lifecycle_(lifecycle),
        sink_(sink),
        log_(log),
        observer_(observer),
        batch_(lifecycle) {}

  // A record of the ring. It can wait in the batch; user_event() and apply_batch() apply it.
  void record(std::span<const std::byte> record) noexcept;
  void user_event(const UserEvent& event) noexcept;
  // Applies the records that wait in the batch.
  void apply_batch() noexcept;

  std::uint64_t events() const { return events_; }    // without those of snapshots
  std::uint64_t damaged() const { return damaged_; }  // records that did not decode; in events()
  std::uint64_t lost() const { return lost_; }
  Nanos last_at() const { return last_at_; }     // time of the last record
  const EndRecord& end() const { return end_; }  // valid after Finished

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
