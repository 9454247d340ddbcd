// SPDX-License-Identifier: Apache-2.0
// The table of commands.
#pragma once

#include <span>

#include "options/subcommand.h"

// One line for each command NAME. Its file in user/commands/ defines run_NAME(), and NAME_options()
// unless user/options/ does. The first is what `tcpdwell` without a command does.
#define TCPDWELL_COMMANDS(row)                                                          \
  row(trace) row(stats) row(leaks) row(top) row(run) row(check) row(record) row(replay) \
      row(export) row(report)

namespace tcpdwell {

#define TCPDWELL_DECLARE(name)                      \
  std::unique_ptr<CommandOptions> name##_options(); \
  int run_##name(const Options& options);
TCPDWELL_COMMANDS(TCPDWELL_DECLARE)
#undef TCPDWELL_DECLARE

std::span<const Subcommand> all_commands();

}  // namespace tcpdwell
