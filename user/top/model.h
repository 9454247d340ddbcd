// SPDX-License-Identifier: Apache-2.0
// What `top` knows: an observer of the table that looks at it once per interval, and a sink for the
// flags. Pure: its clock is the tick, so a replay shows what the live run showed.
//
// One look costs a walk through the table. After a look that took long the next one comes later, so
// that all of them together take less than a hundredth of one CPU.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lifecycle/failed_connects.h"
#include "lifecycle/lifecycle.h"
#include "model/observer.h"
#include "model/record.h"
#include "sinks/surroundings.h"
#include "stats/port_pressure.h"
#include "top/flags.h"
#include "top/look.h"
#include "top/walk.h"

namespace tcpdwell::top {

// The line that the user looks at in full.
struct Watched {
  std::optional<std::uint64_t> connection;  // OpenConnection::key(); nullopt: see `flag`
  std::string flag;                         // key_of(FlagRecord)
  bool operator==(const Watched&) const = default;
};

struct Question {
  Query query;
  // Lines keep their places; new ones come last.
  bool keep_order = false;
  std::optional<Watched> watched;
};

class Model final : public Sink, public Observer {
 public:
  using CpuTime = Nanos (*)();

  // `interval`: the least between two looks. `here`: where the advice will be run; may be null.
  // `cpu_time`: of the thread that calls; null: looks cost nothing, as in a replay.
  Model(Nanos interval, const Surroundings* here, CpuTime cpu_time = nullptr)
      : interval_(interval), cpu_time_(cpu_time), stuck_(here) {}

  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override {
    return {.transitions = false, .connections = false, .whose = false, .failures_at_once = true};
  }
  void ticked(Nanos now, const Lifecycle& lifecycle) noexcept override;
  void finished(Nanos now, const Lifecycle& lifecycle) noexcept override;
  std::optional<Nanos> due() const noexcept override { return next_; }

  // What the looks answer from now on.
  void ask(Question question);
  const Question& question() const { return question_; }
  // Looks now, as of the last tick.
  void look_now();
  // No looks but for the history and the ports: nobody sees the others.
  void rest(bool resting) { resting_ = resting; }
  // The present look stays; events count in the next one.
  void freeze(bool frozen) { frozen_ = frozen; }

  const Look& look() const { return look_; }
  std::uint64_t looks() const { return looks_; }  // raised when look() has changed
  Nanos now() const { return now_; }              // of the last tick
  const When& began() const { return began_; }    // start of the run
  When when() const { return lifecycle_ != nullptr ? lifecycle_->when(now_) : When{now_, {}}; }

 private:
  void count_ports();
  void walk();
  void show(Walk& walk);
  void remember(const Counts& counts);
  void keep_order(const Look& before);
  void show_detail();
  std::optional<OpenConnection> find_watched(const Watched& watched, Detail& detail) const;
  Nanos pause(Nanos began, std::int64_t multiple, Nanos least) const;

  const Nanos interval_;
  const CpuTime cpu_time_;
  Question question_;
  StuckSockets stuck_;
  PortPressure ports_;
  FailedConnects failed_;
  Nanos failed_since_{};
  std::vector<Sample> history_;
  Walk::Ports listening_;
  When began_;
  Look look_;
  std::uint64_t looks_ = 0;
  const Lifecycle* lifecycle_ = nullptr;  // of the last tick
  Nanos now_{}, next_ports_{};
  std::optional<Nanos> next_;
  bool resting_ = false, frozen_ = false;
};

}  // namespace tcpdwell::top
