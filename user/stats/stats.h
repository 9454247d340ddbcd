// SPDX-License-Identifier: Apache-2.0
// Counts what goes by: how many connections entered and left each state in an interval, and how
// long they were in it; and looks at the table at the interval's end for what is open then. Pure:
// its clock is the tick, so that a recording replays to what the live run said.
//
// A transition counts in the interval in which it is told: what is dated back is not counted twice
// or lost. An interval ends at the first tick at or after its time; the first one not before the
// sockets are known that were there already. It costs what a walk through the table does.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lifecycle/failed_connects.h"
#include "stats/group_key.h"
#include "model/observer.h"
#include "stats/port_pressure.h"
#include "model/record.h"
#include "stats/stats_groups.h"
#include "stats/stats_record.h"

namespace tcpdwell {

struct StatsConfig {
  Nanos interval = std::chrono::seconds{10};
  GroupBy by = GroupBy::State;
  std::size_t rows = 10;        // groups, and destinations, at the most
  std::bitset<kStates> states;  // none set: all
  std::optional<State> histogram;
};

class Stats final : public Sink, public Observer {
 public:
  // Start, loss and end go on to `others`. Both must outlive it.
  Stats(const StatsConfig& config, Sink& others, StatsOutput& out)
      : config_(config), others_(others), out_(out), key_(config.by) {}

  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override {
    return {.connections = false, .whose = config_.by != GroupBy::State, .failures_at_once = true};
  }
  void ticked(Nanos now, const Lifecycle& lifecycle) noexcept override;
  // What was since the last interval is in the total only.
  void finished(Nanos now, const Lifecycle& lifecycle) noexcept override;
  std::optional<Nanos> due() const noexcept override { return next_; }

  std::uint64_t intervals() const { return intervals_; }  // that are over

 private:
  void count(const TransitionRecord& record);
  void count(const FlagRecord& record);
  void count(const FailedConnectsRecord& record);
  bool wants(State state) const;
  void walk(Nanos now, const Lifecycle& lifecycle);
  StatsRecord record(Nanos now, const Lifecycle& lifecycle, bool total);
  std::vector<StatsRow> rows(bool total) const;
  Histogram distribution(State state, bool total) const;

  StatsConfig config_;
  Sink& others_;
  StatsOutput& out_;
  GroupKey key_;
  StatsGroups groups_;
  PortPressure ports_;
  FailedConnects failed_now_, failed_ever_;  // in the interval, and in all
  Nanos began_{}, last_{};                   // of the run, and of the interval
  std::optional<Nanos> next_;
  std::uint64_t intervals_ = 0;
};

}  // namespace tcpdwell
