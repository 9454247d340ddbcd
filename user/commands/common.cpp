// SPDX-License-Identifier: Apache-2.0
#include "commands/common.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

#include "options/kernel_filter.h"
#include "session/surroundings.h"
#include "sinks/escape.h"
#include "sinks/screen.h"

namespace tcpdwell {
namespace {

bool wants_color(const Options& options, const Output& output) {
  if (options.color != Color::Auto) return options.color == Color::Always;
  const char* no_color = std::getenv("NO_COLOR");
  return output.is_terminal() && (!no_color || !*no_color);
}

std::optional<recording::RecorderConfig> recorder_config(const Options& options) {
  if (options.recording.empty()) return std::nullopt;
  return recording::RecorderConfig{.path = options.recording,
                                   .compress = options.compress,
                                   .max_size = options.max_size,
                                   .keep = options.rotate};
}

// The TCP state of an MPTCP subflow does not say whether the application has closed its socket.
void warn_of_mptcp(const EndRecord& end) {
  if (end.mptcp_not_judged > 0)
    spdlog::warn("cannot judge {}: reading the MPTCP socket above failed",
                 format_count(end.mptcp_not_judged, "MPTCP subflow"));
}

std::string printable(const std::string& text) {
  std::string line;
  append_printable(line, text);
  return line;
}

std::string corrected(const EndRecord& end) {
  if (end.corrected == 0) return "";
  return "; " + std::string(format_count(end.corrected, "connection")) +
         " reported as ended had not";
}

// The kernel side passes what no filter of ports, addresses or namespaces excludes: only without
// such a filter the table has all connections.
bool kernel_passes_all(const Filter& filter) {
  const tcpdwell_filter all{}, kernel = kernel_filter(filter);
  return std::memcmp(&all, &kernel, sizeof all) == 0;
}

// " (before the filter: 1,234 ended, 56 open)"
std::string before_filter(const Options& options, const EndRecord& end) {
  const EndRecord::Passed& passed = end.passed;
  const bool replays = options.own->rules().reads_recording;
  if (passed.connections != end.connections || passed.open != end.open) {
    if (replays || kernel_passes_all(options.filter))
      return fmt::format(" ({}: {} ended, {} open)", replays ? "in the recording" : "on this host",
                         format_number(end.connections), format_number(end.open));
  }
  if (passed.transitions + passed.connections + passed.open == 0 &&
      !kernel_passes_all(options.filter))
    return " (no connection passed the filter; those that it excludes are not counted)";
  return "";
}

// `run` shows lines of code where it can; a user who asked for them is told why there are none.
template <typename Reader>
Result<std::unique_ptr<Reader>> or_without(const WhereChoice& where,
                                           Result<std::unique_ptr<Reader>> reader) {
  if (reader || !where.by_default) return reader;
  spdlog::debug("no lines of code: {}", reader.error().text());
  return std::unique_ptr<Reader>();
}

}  // namespace

TextStyle text_style(const Options& options, const Output& output) {
  // A recording may be of another host, whose namespaces have other names.
  const bool replays = options.own->rules().reads_recording;
  static const Surroundings here = replays ? Surroundings{} : read_surroundings();
  static std::optional<Terminal> terminal;
  if (output.is_terminal()) terminal.emplace(output);
  return {.color = wants_color(options, output),
          .header = !options.quiet,
          .here = replays ? nullptr : &here,
          .screen = terminal ? &*terminal : nullptr,
          .time = options.time,
          .replayed = replays,
          .filtered = options.filter.may_part_sockets()};
}

SessionConfig session_config(const Options& options) {
  return {.filter = options.filter,
          .netns_path = options.netns_path,
          .thresholds = options.thresholds,
          .max_connections = options.max_connections};
}

Result<std::unique_ptr<BlockedReader>> open_blocked_reader(const WhereChoice& where,
                                                           std::chrono::milliseconds patience) {
  if (!where.on) return std::unique_ptr<BlockedReader>();
  return or_without(where, BlockedReader::open({.symbols = where.symbols,
                                                .without_paths = where.without_paths,
                                                .patience = patience}));
}

Result<std::unique_ptr<StackCollector>> open_stack_collector(const WhereChoice& where,
                                                             const Filter& filter,
                                                             std::optional<int> followed_tasks) {
  if (!where.on) return std::unique_ptr<StackCollector>();
  return or_without(where, StackCollector::open({.filter = kernel_filter(filter),
                                                 .symbols = where.symbols,
                                                 .without_paths = where.without_paths,
                                                 .followed_tasks = followed_tasks}));
}

void log_stacks(const StackCollector* stacks) {
  if (stacks != nullptr && stacks->over_budget() > 0)
    spdlog::info("--where: {} not read, because there were too many at a time",
                 format_count(stacks->over_budget(), "stack"));
}

TracerConfig tracer_config(const Options& options) {
  return {.session = session_config(options),
          .watch_accept = options.accept,
          .where = options.where,
          .ring_bytes = options.ring_bytes,
          .duration = options.duration,
          .ready_file = options.ready_file,
          .files = options.files,
          .record = recorder_config(options)};
}

void log_defaults(const std::vector<DefaultsFile>& files) {
  for (const DefaultsFile& file : files)
    if (file.refusal.empty())
      spdlog::debug("read defaults from {}", printable(file.path));
    else
      spdlog::warn("no defaults are read: {}", printable(file.refusal));
}

int fail(const Error& error, int status) {
  spdlog::error(error.text());
  return status;
}

int lost_status(const Options& options, const EndRecord& end, const Output& output) {
  warn_of_mptcp(end);
  if (end.lost > 0)
    spdlog::warn("lost {}, {} of them transitions{}", format_count(end.lost, "event"),
                 end.transitions_lost, end.ring_full > 0 ? ". Try a larger --ring-size" : "");
  if (end.unseen > 0)
    spdlog::warn("missed at least {}: this kernel hides some from BPF",
                 format_count(end.unseen, "transition"));
  if (end.evicted > 0)
    spdlog::warn("--max-connections dropped {} from the table before they ended",
                 format_count(end.evicted, "connection"));
  if (output.dropped_lines() > 0)
    spdlog::warn("dropped {}: the reader of the output was too slow. Try a larger --output-buffer",
                 format_count(output.dropped_lines(), "line"));
  const bool whole =
      end.lost == 0 && end.unseen == 0 && end.unrecorded == 0 && output.dropped_lines() == 0;
  return options.strict && !whole ? kLost : kDone;
}

int report(const Options& options, const EndRecord& end, const Output& output) {
  if (!options.quiet && !options.json)
    spdlog::info("{}, {} ended, {} open{}{}", format_count(end.passed.transitions, "transition"),
                 format_count(end.passed.connections, "connection"), format_number(end.passed.open),
                 before_filter(options, end), corrected(end));
  return lost_status(options, end, output);
}

}  // namespace tcpdwell
