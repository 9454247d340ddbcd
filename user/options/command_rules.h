// SPDX-License-Identifier: Apache-2.0
// What the options of several commands have in common.
#pragma once

#include <string>
#include <vector>

#include "options/options.h"

namespace tcpdwell::command_rules {

using Names = std::vector<std::string>;

Names with(Names names, const Names& more);
Names recording_options();
// --since and --until of a recording; `since` and `until`: what they do.
void add_window_options(CLI::App& own, OptionTexts& texts, const std::string& since,
                        const std::string& until);
void read_window(const OptionTexts& texts, Options& options);
void add_ascii_option(CLI::App& own, OptionTexts& texts);
// For a command that prints flags alone: refuses options that leave no flag to print.
void require_a_flag(const Options& options);

}  // namespace tcpdwell::command_rules
