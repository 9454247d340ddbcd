// SPDX-License-Identifier: Apache-2.0
// Wires options, output, sink and tracer together, and maps what happened to an exit status.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "app/options.h"
#include "app/tracer.h"
#include "sinks/ndjson_sink.h"
#include "sinks/text_sink.h"

namespace {

using namespace tcpdwell;

enum ExitStatus { kDone = 0, kFailed = 2, kLost = 3 };

void set_up_log(const Options& options) {
  const auto log = spdlog::stderr_color_mt("tcpdwell");
  log->set_pattern("tcpdwell: %v");
  log->set_level(options.verbose ? spdlog::level::debug : spdlog::level::info);
  spdlog::set_default_logger(log);
}

bool wants_color(const Options& options, const Output& output) {
  if (options.color != Color::Auto) return options.color == Color::Always;
  const char* no_color = std::getenv("NO_COLOR");
  return output.is_terminal() && (!no_color || !*no_color);
}

std::unique_ptr<Sink> make_sink(const Options& options, Output& output) {
  if (options.json) return std::make_unique<NdjsonSink>(output, options.only.value_or(Kinds{}));
  const Kinds kinds = options.only.value_or(Kinds{.transitions = true, .connections = false});
  return std::make_unique<TextSink>(
      output, kinds, TextStyle{.color = wants_color(options, output), .header = !options.quiet});
}

int report(const Options& options, const EndRecord& end, const Output& output) {
  if (!options.quiet && !options.json)
    spdlog::info("{} transitions, {} connections ended, {} open", end.transitions, end.connections,
                 end.open);
  if (end.lost > 0)
    spdlog::warn("{} events were lost, {} of them transitions. A larger --ring-size may help",
                 end.lost, end.transitions_lost);
  if (end.evicted > 0)
    spdlog::warn("{} connections were forgotten for --max-connections", end.evicted);
  if (output.dropped_lines() > 0)
    spdlog::warn("{} lines were dropped, since the reader of the output stalled",
                 output.dropped_lines());
  return options.strict && (end.lost > 0 || output.dropped_lines() > 0) ? kLost : kDone;
}

int run(const Options& options) {
  set_up_log(options);
  auto output = Output::open(options.output);
  if (!output) {
    spdlog::error(output.error().text());
    return kFailed;
  }
  const auto sink = make_sink(options, *output);
  auto end = trace({.filter = options.filter,
                    .watch_accept = options.accept,
                    .ring_bytes = options.ring_bytes,
                    .max_connections = options.max_connections,
                    .duration = options.duration,
                    .ready_file = options.ready_file},
                   *sink, *output);
  if (!end) {
    spdlog::error(end.error().text());
    return kFailed;
  }
  return report(options, *end, *output);
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = parse_options(argc, argv);
  if (const auto* show = std::get_if<Show>(&parsed)) {
    std::fputs(show->text.c_str(), stdout);
    return kDone;
  }
  if (const auto* error = std::get_if<UsageError>(&parsed)) {
    std::fprintf(stderr, "tcpdwell: %s\n", error->line.c_str());
    return kFailed;
  }
  return run(std::get<Options>(parsed));
}
