// SPDX-License-Identifier: Apache-2.0
// `stats` for people: a table an interval, and one of all at the end.
//
//   12:34:56.789  10.0s
//   STATE        ENTERED    LEFT   NOW  FLAGGED     MIN     P50     P90     P99     MAX  INEXACT
//   ESTABLISHED    5,100   5,099    12        0  89.0us  1.20ms  2.11ms  41.0ms  3.001s        0
//
// Below it the destinations that ports run out for, or that a tenth of them is in use to (none: a
// line that says so); who had connects fail; and the histogram that was asked for.
#pragma once

#include <string>

#include "sinks/output.h"
#include "sinks/text_format.h"
#include "stats/stats_record.h"

namespace tcpdwell {

class StatsText final : public Sink, public StatsOutput {
 public:
  StatsText(Output& output, const TextStyle& style) : output_(output), style_(style) {}
  void write(const StatsRecord& record) noexcept override;
  // What was lost; the other records are not for people.
  void write(const Record& record) noexcept override;

 private:
  void print(const ClockRecord& clock);
  void print(const LostRecord& lost);

  std::string head(const StatsRecord& record);
  std::string table(const StatsRecord& record) const;
  std::string ports(const StatsRecord& record) const;
  std::string connects_failed(const StatsRecord& record) const;

  Output& output_;
  TextStyle style_;
  LocalClock clock_;
};

}  // namespace tcpdwell
