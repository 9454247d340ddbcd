// SPDX-License-Identifier: Apache-2.0
// The parsed and checked command line. Parsing touches only files that an option names, those of
// Defaults, and /etc/services for the name of a port.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "leaks/leak_view.h"
#include "lifecycle/filter.h"
#include "model/thresholds.h"
#include "options/defaults.h"
#include "options/replay_time.h"
#include "options/subcommand.h"
#include "options/where_options.h"
#include "sinks/kinds.h"
#include "sinks/text_clock.h"
#include "stats/stats.h"
#include "util/made_file.h"

namespace tcpdwell {

enum class Color : std::uint8_t { Auto, Always, Never };

struct Options {
  const Subcommand* subcommand = nullptr;     // the row of the table; never null once parsed
  std::shared_ptr<const CommandOptions> own;  // with the values of options that only it has
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool strict = false;
  bool accept = true;
  Color color = Color::Auto;
  TimeFormat time = TimeFormat::Local;  // of text output
  std::optional<Nanos> duration;
  std::string output;             // empty: stdout
  std::size_t output_buffer = 0;  // bytes; 0: by the memory of this machine
  std::string ready_file;         // empty: none
  FilePolicy files;               // of all files that are made
  std::optional<Kinds> only;
  Filter filter;
  std::string netns_path;        // of filter.netns; empty: given by number
  std::uint64_t ring_bytes = 0;  // 0: by the memory and CPUs of this machine
  std::size_t max_connections = 4'000'000;
  Thresholds thresholds;
  StatsConfig stats;
  std::optional<std::uint64_t> intervals;  // stats: COUNT; nullopt: no end
  // replay FILE
  enum class Replay : std::uint8_t { Trace, Stats, Leaks, Info } replay = Replay::Trace;
  std::optional<ReplayTime> since, until;
  bool replays_top = false;               // replay FILE top
  Nanos delay = std::chrono::seconds{1};  // top: between two looks
  bool ascii = false;                     // top
  WhereChoice where;
  // leaks
  std::optional<Nanos> watch;          // interval between two scans
  std::optional<std::uint64_t> scans;  // nullopt: no end
  LeakView leak_view;
  LeakLimits leak_limits;
  // The file of record, trace --record (empty: none) and replay.
  std::string recording;
  bool compress = false;
  std::uint64_t max_size = 0;     // bytes; 0: no limit
  unsigned rotate = 0;            // number of older files to keep
  bool thresholds_given = false;  // false: the defaults
  bool max_connections_given = false;
  std::vector<DefaultsFile> default_files;  // that exist
  // run
  std::vector<std::string> command;
  std::string user;  // empty: the current user
  int leak_exit_code = 1;
  Nanos exit_grace{};
};

// --help, --version: text for stdout.
struct Show {
  std::string text;
};
// One line for stderr, without a prefix.
struct UsageError {
  std::string line;
  int status = 2;  // exit status: `run` has another than the rest
};

// The first row of `table` is what `tcpdwell` without a command does. `table` must outlive the
// options. `defaults`: what the line does not give.
std::variant<Options, Show, UsageError> parse_options(int argc, const char* const* argv,
                                                      std::span<const Subcommand> table,
                                                      const Defaults& defaults = {});

}  // namespace tcpdwell
