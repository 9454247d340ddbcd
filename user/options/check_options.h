// SPDX-License-Identifier: Apache-2.0
// The options of all commands, as `check` takes them. It follows no connection, and takes the time
// it takes: what chooses or limits either would do nothing.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tcpdwell {

// Throws CLI::ValidationError if one that would do nothing was given, before the command's word or
// behind it.
void refuse_pointless_for_check(const CLI::App& app);
// From the help.
void hide_pointless_for_check(CLI::App& app);

// What leads to a network namespace that `--netns` was given for: empty if that is only a number.
std::string netns_path(const std::string& text);

}  // namespace tcpdwell
