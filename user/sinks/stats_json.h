// SPDX-License-Identifier: Apache-2.0
// `stats --json`: the object `stats`, as docs/json.md defines it.
#pragma once

#include "sinks/json_line.h"
#include "sinks/output.h"
#include "stats/stats_record.h"

namespace tcpdwell {

class StatsJson final : public StatsOutput {
 public:
  explicit StatsJson(Output& output) : output_(output) {}
  void write(const StatsRecord& record) noexcept override;

 private:
  Output& output_;
  JsonLine line_;
};

}  // namespace tcpdwell
