// SPDX-License-Identifier: Apache-2.0
// Completion for shells: what can stand at the end of a command line. The scripts of
// packaging/completions call `tcpdwell __complete WORD...`.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "options/subcommand.h"

namespace tcpdwell {

// `words`: the line after "tcpdwell"; the last one is to be completed, and may be empty. The result
// has a candidate on each line, and after a tab what it is. A line ":files" or ":commands" stands
// for what the shell itself completes.
std::string completions(const std::vector<std::string>& words, std::span<const Subcommand> table);

}  // namespace tcpdwell
