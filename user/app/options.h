// SPDX-License-Identifier: Apache-2.0
// The command line, parsed and checked. Nothing is touched but what an option names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "core/filter.h"
#include "sinks/kinds.h"

namespace tcpdwell {

enum class Color : std::uint8_t { Auto, Always, Never };

struct Options {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool strict = false;
  bool accept = true;
  Color color = Color::Auto;
  std::optional<Nanos> duration;
  std::string output;      // empty: stdout
  std::string ready_file;  // empty: none
  std::optional<Kinds> only;
  Filter filter;
  std::uint64_t ring_bytes = 0;  // 0: by the machine
  std::size_t max_connections = 4'000'000;
};

// --help, --version: text for stdout.
struct Show {
  std::string text;
};
// One line for stderr, without a prefix.
struct UsageError {
  std::string line;
};

std::variant<Options, Show, UsageError> parse_options(int argc, const char* const* argv);

}  // namespace tcpdwell
