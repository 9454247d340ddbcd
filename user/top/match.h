// SPDX-License-Identifier: Apache-2.0
// What a user looks for: filters as on the command line, and free text.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "lifecycle/filter.h"
#include "lifecycle/open_connection.h"
#include "model/record.h"
#include "util/result.h"

namespace tcpdwell::top {

struct Match {
  Filter filter;
  // Lower case. Each must be part of an endpoint, the state, the owner, its service or its pid.
  std::vector<std::string> words;
  bool all = true;  // neither filter nor words: everything passes

  bool passes(const OpenConnection& connection, Nanos now) const;
  // For a socket that has been in `state` for `dwell`.
  bool passes(const SocketInfo& socket, State state, Nanos dwell) const;
};

// Parses what was typed after "/". An error is one line for the user.
using ParseMatch = std::function<Result<Match>(std::string_view)>;

// Free text alone: words, separated by spaces.
Result<Match> free_text(std::string_view text);

}  // namespace tcpdwell::top
