// SPDX-License-Identifier: Apache-2.0
// The sinks of `trace`, `stats` and `replay`: text or JSON.
#pragma once

#include <functional>
#include <memory>

#include "options/options.h"
#include "sinks/ndjson_sink.h"
#include "sinks/output.h"
#include "sinks/stats_json.h"
#include "sinks/stats_text.h"
#include "stats/stats.h"

namespace tcpdwell {

// Prints transitions, flags and connections to `output`, which must outlive it.
std::unique_ptr<Sink> make_sink(const Options& options, Output& output);

// Prints the tables of `stats`.
struct StatsPrinter {
  StatsPrinter(const Options& options, Output& output);
  StatsPrinter(const StatsPrinter&) = delete;  // `stats` refers to the other members

  // True once COUNT tables are printed; empty if COUNT was not given.
  std::function<bool()> enough(const Options& options) const;

  StatsText text;
  StatsJson json;
  NdjsonSink json_others;
  Stats stats;
};

}  // namespace tcpdwell
