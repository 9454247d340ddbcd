// SPDX-License-Identifier: Apache-2.0
// The ports in use to each destination over time, and when a forecast first said that they run out.
// Bounded: keeps the first kMost destinations that are among the kTop with the most ports in use at
// the time of a sample.
#pragma once

#include <absl/container/flat_hash_map.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "report/report_data.h"
#include "report/time_axis.h"
#include "stats/port_pressure.h"

namespace tcpdwell::reporting {

class PortCurves {
 public:
  static constexpr std::size_t kMost = 64, kTop = 8;

  void failed(const FailedConnectsRecord& record);
  // One walk, as of PortPressure.
  void begin(const PortRanges& ranges, Nanos now);
  void see(const OpenConnection& connection) { pressure_.see(connection); }
  void end(const TimeWaitLength& length, TimeAxis& axis);
  // The curve with the most ports in use first.
  std::vector<PortCurve> take(const TimeAxis& axis, std::size_t bins);

 private:
  struct Destination {
    PortCurve curve;  // without `used`
    Binned<std::optional<std::uint32_t>, KeepLargest> used;
  };
  Destination* find(const std::string& key, bool may_add);
  static void watch(PortCurve& curve, const PortUse& use, Nanos now);

  PortPressure pressure_;
  Nanos now_{};
  absl::flat_hash_map<std::string, Destination> destinations_;
  struct Failure {
    Nanos first{};
    std::vector<Process> processes;
  };
  absl::flat_hash_map<std::string, Failure> failures_;
};

}  // namespace tcpdwell::reporting
