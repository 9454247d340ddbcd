// SPDX-License-Identifier: Apache-2.0
// What the command line says, before it is understood: names, help and text. Only options.cpp and
// command_line.cpp include it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "options/options.h"

namespace tcpdwell {

struct Raw {
  bool json = false, quiet = false, verbose = false, strict = false, no_accept = false;
  bool ipv4 = false, ipv6 = false;
  std::string duration, output, output_buffer, ready_file, cgroup, netns, ring_size,
      max_connections;
  std::string color = "auto";
  bool no_flags = false;
  std::vector<std::string> flags;
  std::string watch, user, leak_exit_code, exit_grace;
  std::string interval, count, by, rows, histogram;
  std::string record, replay, max_size, rotate;
  bool zstd = false;
  std::string mode;
  std::vector<std::string> only, ports, local_ports, remote_ports, addrs, pids, states;
};

struct Commands {
  // One each. A word of the command line that is not among them is no command.
  std::vector<std::pair<Verb, CLI::App*>> all;
  CLI::App* replay_stats = nullptr;  // replay FILE stats

  CLI::App* operator[](Verb verb) const;
};

// Both must outlive `app`.
Commands describe(CLI::App& app, Raw& raw);
// Once `app` has parsed: which was asked for; Trace only if none was, or that.
Verb verb_of(const Commands& commands);
// As a user types it.
std::string_view name(Verb verb);

}  // namespace tcpdwell
