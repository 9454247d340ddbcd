// SPDX-License-Identifier: Apache-2.0
// The sinks of `trace`, `stats` and `replay`: text or JSON.
#pragma once

#include <functional>
#include <memory>

#include "commands/log.h"
#include "options/options.h"
#include "sinks/ndjson_sink.h"
#include "sinks/output.h"
#include "sinks/stats_json.h"
#include "sinks/stats_text.h"
#include "stats/stats.h"

namespace tcpdwell {

// Prints transitions, flags and connections to `output`, which must outlive it.
std::unique_ptr<Sink> make_sink(const Options& options, Output& output);

// Clears the line of progress before something is printed.
class AfterProgress final : public Sink, public StatsOutput {
 public:
  explicit AfterProgress(StatsText& text) : text_(text) {}
  void write(const StatsRecord& record) noexcept override {
    clear_progress();
    text_.write(record);
  }
  void write(const Record& record) noexcept override {
    clear_progress();
    text_.write(record);
  }

 private:
  StatsText& text_;
};

// Prints the tables of `stats`.
struct StatsPrinter {
  StatsPrinter(const Options& options, Output& output);
  StatsPrinter(const StatsPrinter&) = delete;  // `stats` refers to the other members

  // True once COUNT tables are printed; empty if COUNT was not given.
  std::function<bool()> enough(const Options& options) const;

  StatsText text;
  AfterProgress after_progress;
  StatsJson json;
  NdjsonSink json_others;
  Stats stats;
};

}  // namespace tcpdwell
