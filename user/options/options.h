// SPDX-License-Identifier: Apache-2.0
// The command line, parsed and checked. Nothing is touched but what an option names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lifecycle/filter.h"
#include "stats/stats.h"
#include "model/thresholds.h"
#include "sinks/kinds.h"
#include "util/made_file.h"

namespace tcpdwell {

enum class Color : std::uint8_t { Auto, Always, Never };

enum class Verb : std::uint8_t { Trace, Stats, Leaks, Run, Check, RecordOnly, Replay };

struct Options {
  Verb verb = Verb::Trace;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool strict = false;
  bool accept = true;
  Color color = Color::Auto;
  std::optional<Nanos> duration;
  std::string output;             // empty: stdout
  std::size_t output_buffer = 0;  // bytes; 0: by the machine
  std::string ready_file;         // empty: none
  FilePolicy files;               // of all that are made
  std::optional<Kinds> only;
  Filter filter;
  std::string netns_path;        // of filter.netns; empty: it was named by its number
  std::uint64_t ring_bytes = 0;  // 0: by the machine
  std::size_t max_connections = 4'000'000;
  Thresholds thresholds;
  StatsConfig stats;
  std::optional<std::uint64_t> intervals;  // stats: how many; nullopt: endless
  bool replays_stats = false;              // replay FILE stats
  std::optional<Nanos> watch;              // leaks: again and again
  // record, trace --record: where to, empty: nowhere; replay: what
  std::string recording;
  bool compress = false;
  std::uint64_t max_size = 0;     // bytes; 0: no limit
  unsigned rotate = 0;            // older files beside it
  bool thresholds_given = false;  // else they are the default
  bool max_connections_given = false;
  // run
  std::vector<std::string> command;
  std::string user;  // empty: whoever we are
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
  Verb verb = Verb::Trace;  // of the command line that is wrong: their exit statuses differ
};

std::variant<Options, Show, UsageError> parse_options(int argc, const char* const* argv);

}  // namespace tcpdwell
