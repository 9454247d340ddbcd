// SPDX-License-Identifier: Apache-2.0
// The texts of --help and of `tcpdwell help`, for a terminal of 80 columns.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "options/command_line.h"

namespace tcpdwell {

// The help of the command that the line names: usage, its own options, those that all commands
// share, examples, units. Without a command, or of the first: with the list of commands.
std::string help_of(CLI::App& app, const CommandLine& commands, const OptionTexts& texts);

// `help where`, `help states`, `help causes`, or one of the latter two (`help eof_read`); nullopt:
// no such topic.
std::optional<std::string> help_topic(const std::string& topic);
std::vector<std::string> help_topics();

}  // namespace tcpdwell
