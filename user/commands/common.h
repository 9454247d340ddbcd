// SPDX-License-Identifier: Apache-2.0
// Shared by the commands: configurations from options, and exit statuses from results.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "commands/tracer.h"
#include "options/options.h"
#include "session/blocked_reader.h"
#include "session/session.h"
#include "session/stack_collector.h"
#include "sinks/output.h"
#include "sinks/text_format.h"
#include "util/result.h"

namespace tcpdwell {

// Exit statuses.
constexpr int kDone = 0, kLeaked = 1, kFailed = 2, kLost = 3;

// Call it once. `output` must outlive the style.
TextStyle text_style(const Options& options, const Output& output);
SessionConfig session_config(const Options& options);
// nullptr: without --where. A flag waits for the stacks of its holders, up to `patience`.
Result<std::unique_ptr<BlockedReader>> open_blocked_reader(const WhereChoice& where,
                                                           std::chrono::milliseconds patience);
// nullptr: without --where. For a trace: where sockets are opened and their ends of stream are
// read.
Result<std::unique_ptr<StackCollector>> open_stack_collector(const WhereChoice& where,
                                                             const Filter& filter,
                                                             std::optional<int> followed_tasks);
// Says how many stacks were not read.
void log_stacks(const StackCollector* stacks);
TracerConfig tracer_config(const Options& options);

// Warns of files that were refused; with --verbose, logs those that were read.
void log_defaults(const std::vector<DefaultsFile>& files);
// Logs the error; returns `status`.
int fail(const Error& error, int status = kFailed);
// Logs what was lost; kLost if --strict is given and anything was.
int lost_status(const Options& options, const EndRecord& end, const Output& output);
// Logs the summary of a trace, then as lost_status().
int report(const Options& options, const EndRecord& end, const Output& output);

}  // namespace tcpdwell
