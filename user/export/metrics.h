// SPDX-License-Identifier: Apache-2.0
// Counts what the metrics show, from the records and the table that all commands share, and makes a
// Page of it about once a second. Pure: its clock is the tick.
//
// A page costs a walk through the table. With many connections the walks are further apart, so that
// they take about a hundredth of one CPU.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "export/dwell_histogram.h"
#include "export/page.h"
#include "export/services.h"
#include "export/stuck.h"
#include "lifecycle/lifecycle.h"
#include "model/observer.h"
#include "model/record.h"
#include "stats/port_pressure.h"

namespace tcpdwell::exporter {

struct MetricsConfig {
  std::size_t services = 20;       // with a name of their own
  std::size_t destinations = 10;   // with their ports; 0: none, and no address in any label
  std::size_t most_series = 5000;  // of a page
  Services::PodName pod_name;      // empty: containers are named by their ids
};

// The latest page, for another thread.
class Board {
 public:
  void post(std::shared_ptr<const Page> page) {
    const std::lock_guard lock(mutex_);
    page_ = std::move(page);
  }
  // nullptr: none yet.
  std::shared_ptr<const Page> latest() const {
    const std::lock_guard lock(mutex_);
    return page_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Page> page_;
};

class Metrics final : public Sink, public Observer {
 public:
  // `board` must outlive it.
  Metrics(const MetricsConfig& config, Board& board)
      : config_(config), board_(board), services_(config.services, config.pod_name) {}

  void write(const Record& record) noexcept override;
  Needs needs() const noexcept override { return {.whose = false, .failures_at_once = true}; }
  void ticked(Nanos now, const Lifecycle& lifecycle) noexcept override;
  void finished(Nanos now, const Lifecycle& lifecycle) noexcept override;
  std::optional<Nanos> due() const noexcept override { return next_; }

  std::uint64_t pages() const { return pages_; }  // posted so far

 private:
  static constexpr std::size_t kEnds = static_cast<std::size_t>(Ended::Unreachable) + 1;
  static constexpr std::size_t kSides = static_cast<std::size_t>(Side::Both) + 1;
  static constexpr std::size_t kTimeWaitEnds = static_cast<std::size_t>(TimeWaitEnded::Netns) + 1;
  static constexpr std::size_t kLossCauses = static_cast<std::size_t>(LossCause::Damaged) + 1;

  void count(const TransitionRecord& record);
  void count(const ConnectionRecord& record);
  void count_failures(const Lifecycle& lifecycle);
  void walk(Nanos now, const Lifecycle& lifecycle);
  void post(Nanos now, const Lifecycle& lifecycle);

  // metrics_page.cpp
  Page page(Nanos now, const Lifecycle& lifecycle);
  void add_health(PageBuilder& page, const Lifecycle& lifecycle) const;
  void add_stuck(PageBuilder& page, Nanos now) const;
  void add_connections(PageBuilder& page) const;
  void add_ends(PageBuilder& page) const;
  void add_ports(PageBuilder& page) const;
  void add_dwells(PageBuilder& page) const;

  MetricsConfig config_;
  Board& board_;
  StartRecord start_;
  Services services_;
  StuckSockets stuck_;
  std::array<DwellHistogram, kStates> dwells_;
  std::array<std::uint64_t, kStates> inexact_{};
  std::array<std::array<std::uint64_t, kSides>, kEnds> ended_{};
  std::array<std::uint64_t, kTimeWaitEnds> time_wait_ended_{};
  std::array<std::uint64_t, kLossCauses> lost_{};
  // Failed connect() calls by reason and service. A service keeps its name here for good: a counter
  // must not lose what it counted.
  std::map<std::pair<ConnectFailure, std::string>, std::uint64_t> connects_failed_;
  std::vector<FailedConnectsRecord> failed_since_;  // not in connects_failed_ yet
  PortPressure pressure_;
  std::vector<PortUse> ports_;  // as of last_ports_
  Nanos last_ports_{};
  std::uint64_t open_ = 0;  // connections at the last walk
  std::uint64_t evicted_ = 0;
  std::uint64_t series_dropped_ = 0;
  std::uint64_t pages_ = 0;
  std::optional<Nanos> next_;
};

}  // namespace tcpdwell::exporter
