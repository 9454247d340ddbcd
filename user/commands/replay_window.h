// SPDX-License-Identifier: Apache-2.0
// The part of a replay that --since and --until choose. The whole recording is played up to it, so
// that states and ages are right; only the output is limited.
#pragma once

#include <functional>
#include <optional>

#include "lifecycle/lifecycle.h"
#include "model/observer.h"
#include "model/record.h"
#include "options/replay_time.h"

namespace tcpdwell {

struct ReplayWindow {
  std::optional<ReplayTime> since, until;
};

// Passes the records that happened in the window, and always the first and the last one. A record
// that is dated back is in the window if its time is.
class WindowSink final : public Sink {
 public:
  WindowSink(const ReplayWindow& window, Sink& sink) : window_(window), sink_(sink) {}
  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override { return sink_.needs(); }
  EndRecord::Passed passed() const { return passed_; }  // without `open`
  // The recording ended before the window began.
  bool is_late() const { return since_ && !since_->is_reached(last_); }

 private:
  bool contains(const When& when) const {
    return (!since_ || since_->is_reached(when)) && (!until_ || !until_->is_reached(when));
  }

  ReplayWindow window_;
  Sink& sink_;
  std::optional<ReplayMoment> since_, until_;
  When last_;
  EndRecord::Passed passed_;
};

// For what counts rather than prints: shows `observer` the ticks of the window alone, and `sink`
// the records up to its end. `begins` is called with the time of the first record or tick in the
// window. is_over() ends the replay, at the first tick that is not in the window.
class WindowObserver final : public Observer, public Sink {
 public:
  WindowObserver(const ReplayWindow& window, Sink& sink, Observer& observer,
                 std::function<void(Nanos)> begins = {})
      : window_(window), sink_(sink), observer_(observer), begins_(std::move(begins)) {}
  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override { return sink_.needs(); }
  void ticked(Nanos now, const Lifecycle& lifecycle) noexcept override;
  void finished(Nanos now, const Lifecycle& lifecycle) noexcept override {
    observer_.finished(now, lifecycle);
  }
  std::optional<Nanos> due() const noexcept override { return observer_.due(); }
  bool is_over() const { return over_; }

 private:
  bool begin(const When& when);  // false: before the window

  ReplayWindow window_;
  Sink& sink_;
  Observer& observer_;
  std::function<void(Nanos)> begins_;
  std::optional<ReplayMoment> since_, until_;
  bool over_ = false;
};

}  // namespace tcpdwell
