// SPDX-License-Identifier: Apache-2.0
// `run`: traces a command and its descendants, and nobody else.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "commands/command.h"
#include "session/session.h"

namespace tcpdwell {

struct RunConfig {
  SessionConfig session;
  bool watch_accept = true;
  std::uint64_t ring_bytes = 0;
};

struct RunResult {
  int status = 0;  // the command's: 128+N for a signal
  EndRecord end;
};

// Follows `command`, which was forked and not released, until it ends, whatever becomes of the
// output; does not wait for descendants that outlive it. Signals that are sent to us are passed on.
// Flags go to `sink`. An ExecFailure: nothing was run, or it could not be followed to its end.
std::variant<RunResult, ExecFailure> run(const RunConfig& config, Command& command, Sink& sink,
                                         Output& output);

// Why not all was written; nullopt if it was, or if nobody is there to read it: the reader of a
// pipe ended, a terminal hung up.
std::optional<Error> write_error(const Output& output);

}  // namespace tcpdwell
