// SPDX-License-Identifier: Apache-2.0
// Options that the command line does not give: from the environment (TCPDWELL_JSON=1), from the
// user's file, and from that of the host, in this order.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "util/result.h"

namespace tcpdwell {

struct Defaults {
  // The value of an environment variable; nullopt: not set. Empty: there is no environment.
  std::function<std::optional<std::string>(const std::string& name)> variable;
  std::vector<std::string> files;  // TOML with the long option names; an earlier one overrides
  // The text of a file; nullopt: it does not exist. An error is a file that may not be read.
  std::function<Result<std::optional<std::string>>(const std::string& path)> read;
};

// Those of this process. If it runs as root, a file must be one that only root can have written.
Defaults system_defaults();

// Never follows a symbolic link, and never waits. `uid`: who reads it.
Result<std::optional<std::string>> read_defaults_file(const std::string& path, unsigned uid);

// A file of defaults that exists.
struct DefaultsFile {
  std::string path;
  std::string refusal;  // why it was not read; empty: it was
};

}  // namespace tcpdwell
