// SPDX-License-Identifier: Apache-2.0
// Counts how many connections enter and leave each state in an interval, and their dwells. At the
// end of an interval it walks through the table and counts the open connections. Pure: its clock is
// the tick, so a replay gives the same result as the live run.
//
// A transition counts in the interval in which it is published, even if its time is earlier; so
// none is counted twice or lost. An interval ends at the first tick at or after its end time. The
// first interval ends only after the snapshot of older sockets. The end of an interval costs one
// walk through the table.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lifecycle/failed_connects.h"
#include "model/observer.h"
#include "model/record.h"
#include "stats/full_queue_log.h"
#include "stats/group_key.h"
#include "stats/port_pressure.h"
#include "stats/stats_groups.h"
#include "stats/stats_record.h"

namespace tcpdwell {

struct StatsConfig {
  Nanos interval = std::chrono::seconds{10};
  GroupBy by = GroupBy::State;
  std::size_t rows = 10;        // at most so many groups, and so many destinations
  std::bitset<kStates> states;  // none set: all
  std::optional<State> histogram;
  bool buckets = false;  // of each row
};

class Stats final : public Sink, public Observer {
 public:
  // Passes start, loss, clock and end records on to `others`. `others` and `out` must outlive it.
  Stats(const StatsConfig& config, Sink& others, StatsOutput& out)
      : config_(config), others_(others), out_(out), key_(config.by) {}

  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override {
    return {.transitions = !counts_ends(),
            .connections = counts_ends(),
            .whose = config_.by != GroupBy::State,
            .failures_at_once = true,
            .full_queues = true};
  }
  void ticked(Nanos now, const Lifecycle& lifecycle) noexcept override;
  // Events since the last complete interval count in the total only.
  void finished(Nanos now, const Lifecycle& lifecycle) noexcept override;
  std::optional<Nanos> due() const noexcept override { return next_; }
  // Forgets what was counted so far: the run begins now.
  void begin_at(Nanos now);

  std::uint64_t intervals() const { return intervals_; }  // complete ones

 private:
  // Who closed a connection is certain at its end only.
  bool counts_ends() const { return config_.by == GroupBy::ClosedBy; }
  void count(const TransitionRecord& record);
  void count(const ConnectionRecord& record);
  void count(const FlagRecord& record);
  void count(const FailedConnectsRecord& record);
  bool wants(State state) const;
  // Handshakes end with transitions from these states.
  bool counts_handshakes() const {
    return !counts_ends() && (wants(State::SynSent) || wants(State::SynReceived));
  }
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
  FullQueueLog full_queues_;
  FailedConnects failed_now_, failed_ever_;  // in the interval, and in the run
  std::uint64_t retransmitted_now_ = 0, retransmitted_ever_ = 0;
  Nanos began_{}, last_{};  // start of the run, and of the interval
  std::optional<Nanos> next_;
  std::uint64_t intervals_ = 0;
};

}  // namespace tcpdwell
