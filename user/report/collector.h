// SPDX-License-Identifier: Apache-2.0
// Collects what a report shows while a run or a replay goes on, in bounded memory: a sink of the
// records and an observer of the table. Pure: its clock is the tick.
//
// The numbers are those of `stats` and `leaks`: it contains both.
#pragma once

#include <optional>
#include <vector>

#include "lifecycle/open_flags.h"
#include "model/observer.h"
#include "report/port_curves.h"
#include "report/report_data.h"
#include "report/stuck_curves.h"
#include "report/time_axis.h"
#include "stats/stats.h"

namespace tcpdwell::reporting {

inline constexpr std::size_t kMostLives = 50'000;

class Collector final : public Sink, public Observer {
 public:
  explicit Collector(std::size_t most_lives = kMostLives);
  Collector(const Collector&) = delete;  // its members refer to each other

  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override { return {.failures_at_once = true, .full_queues = true}; }
  void ticked(Nanos now, const Lifecycle& lifecycle) noexcept override;
  void finished(Nanos now, const Lifecycle& lifecycle) noexcept override;
  std::optional<Nanos> due() const noexcept override { return stats_.due(); }
  // The report begins now: forgets what was counted so far.
  void begin_at(Nanos now);

  // After the end record. Call it once.
  ReportData take();

 private:
  class Discard final : public Sink {
   public:
    void write(const Record&) noexcept override {}
  };
  class KeepTotal final : public StatsOutput {
   public:
    void write(const StatsRecord& record) noexcept override {
      if (record.total) total = record;
    }
    StatsRecord total;
  };

  void count(const TransitionRecord& record);
  void count(const ConnectionRecord& record);
  void count(const FlagRecord& record);
  void sample(Nanos now, const Lifecycle& lifecycle);
  void add_series(ReportData& data, std::size_t bins);
  void add_stuck(ReportData& data, std::size_t bins);
  void add_services(ReportData& data) const;

  Discard nowhere_;
  KeepTotal stats_output_;
  Stats stats_;
  OpenFlags open_flags_;
  Services services_;
  Lives lives_;
  StuckCurves stuck_;
  PortCurves ports_;
  TimeAxis axis_;
  Binned<std::optional<Counts>, KeepLater> now_;
  Sums opened_, closed_;
  Nanos next_sample_{};
  bool changed_ = true;  // since the last sample
  std::uint64_t open_ = 0, ended_ = 0;
  ReportData data_;
};

}  // namespace tcpdwell::reporting
