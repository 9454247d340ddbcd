// SPDX-License-Identifier: Apache-2.0
// `stats` as text: a table for each interval, and one of the whole run at the end.
//
//   12:34:56.789  10.0s
//   STATE        ENTERED    LEFT   NOW  FLAGGED     MIN     P50     P90     P99     MAX  INEXACT
//   ESTABLISHED    5,100   5,099    12        0  89.0us  1.20ms  2.11ms  41.0ms  3.001s        0
// Below it: destinations whose ports run out or are at least a tenth in use (or a line that none
// is); processes whose connects failed; and the requested histogram.
#pragma once

#include <string>

#include "sinks/output.h"
#include "sinks/text_format.h"
#include "stats/stats_record.h"

namespace tcpdwell {

// What the forecast of a destination says. `total`: its failures are those of the whole run.
std::string forecast_text(const PortUse& use, bool total);
// "ESTABLISHED 12, TIME_WAIT 3 (3 reusable)"
std::string states_text(const PortUse& use);
// Its ports run out, or have run out.
bool is_urgent(const PortUse& use);
// Urgent, or at least a tenth of the ports are in use.
bool is_noteworthy(const PortUse& use);

class StatsText final : public Sink, public StatsOutput {
 public:
  StatsText(Output& output, const TextStyle& style)
      : output_(output), style_(style), clock_(style.time) {}
  void write(const StatsRecord& record) noexcept override;
  // Prints losses and suspensions, and the head of a replay.
  void write(const Record& record) noexcept override;

 private:
  void print(const StartRecord& start);
  void print(const ClockRecord& clock);
  void print(const LostRecord& lost);

  std::string head(const StatsRecord& record);
  std::string table(const StatsRecord& record) const;
  std::string ports(const StatsRecord& record) const;
  std::string connects_failed(const StatsRecord& record) const;
  static std::string handshakes(const StatsRecord& record);
  std::string full_queues(const StatsRecord& record) const;

  Output& output_;
  TextStyle style_;
  TextClock clock_;
};

}  // namespace tcpdwell
