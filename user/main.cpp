// SPDX-License-Identifier: Apache-2.0
// Wires options, output, sink and tracer together, and maps what happened to an exit status.
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "commands/check.h"
#include "commands/failure.h"
#include "commands/leak_sinks.h"
#include "commands/leaks.h"
#include "session/limits.h"
#include "commands/log.h"
#include "options/options.h"
#include "commands/replay.h"
#include "commands/run.h"
#include "session/surroundings.h"
#include "commands/tracer.h"
#include "sinks/leak_report.h"
#include "sinks/ndjson_sink.h"
#include "sinks/run_report.h"
#include "sinks/stats_json.h"
#include "sinks/stats_text.h"
#include "sinks/text_format.h"
#include "sinks/text_sink.h"

namespace {

using namespace tcpdwell;

constexpr int kDone = 0, kLeaked = 1, kFailed = 2, kLost = 3;

bool wants_color(const Options& options, const Output& output) {
  if (options.color != Color::Auto) return options.color == Color::Always;
  const char* no_color = std::getenv("NO_COLOR");
  return output.is_terminal() && (!no_color || !*no_color);
}

TextStyle text_style(const Options& options, const Output& output) {
  static const Surroundings here = read_surroundings();
  return {.color = wants_color(options, output), .header = !options.quiet, .here = &here};
}

std::unique_ptr<Sink> make_sink(const Options& options, Output& output) {
  if (options.json) return std::make_unique<NdjsonSink>(output, options.only.value_or(Kinds{}));
  const Kinds kinds = options.only.value_or(Kinds{.transitions = true, .connections = false});
  return std::make_unique<TextSink>(output, kinds, text_style(options, output));
}

// The state of TCP says nothing about them.
void warn_of_mptcp(const EndRecord& end) {
  if (end.mptcp_not_judged > 0)
    spdlog::warn("{} could not be judged: the MPTCP socket above could not be read",
                 format_count(end.mptcp_not_judged, "MPTCP subflow"));
}

int lost_status(const Options& options, const EndRecord& end, const Output& output) {
  warn_of_mptcp(end);
  if (end.lost > 0)
    spdlog::warn("{} were lost, {} of them transitions{}", format_count(end.lost, "event"),
                 end.transitions_lost, end.ring_full > 0 ? ". A larger --ring-size may help" : "");
  if (end.unseen > 0)
    spdlog::warn("{} at least came unseen: this kernel hides some from BPF",
                 format_count(end.unseen, "transition"));
  if (end.evicted > 0)
    spdlog::warn("{} left the table early for --max-connections",
                 format_count(end.evicted, "connection"));
  if (output.dropped_lines() > 0)
    spdlog::warn(
        "dropped {}: what takes the output was too slow. A larger --output-buffer may help",
        format_count(output.dropped_lines(), "line"));
  const bool whole =
      end.lost == 0 && end.unseen == 0 && end.unrecorded == 0 && output.dropped_lines() == 0;
  return options.strict && !whole ? kLost : kDone;
}

std::string corrected(const EndRecord& end) {
  if (end.corrected == 0) return "";
  return "; " + std::string(format_count(end.corrected, "connection")) +
         " seemed to end, and had not";
}

int report(const Options& options, const EndRecord& end, const Output& output) {
  if (!options.quiet && !options.json)
    spdlog::info("{}, {} ended, {} open{}", format_count(end.passed.transitions, "transition"),
                 format_count(end.passed.connections, "connection"), format_number(end.passed.open),
                 corrected(end));
  return lost_status(options, end, output);
}

SessionConfig session_config(const Options& options) {
  SessionConfig config{.filter = options.filter,
                       .netns_path = options.netns_path,
                       .thresholds = options.thresholds,
                       .max_connections = options.max_connections};
  config.filter.flags_only = options.verb == Verb::Leaks || options.verb == Verb::Run;
  return config;
}

int fail(const Error& error, int status = kFailed) {
  spdlog::error(error.text());
  return status;
}

std::optional<recording::RecorderConfig> recorder_config(const Options& options) {
  if (options.recording.empty()) return std::nullopt;
  return recording::RecorderConfig{.path = options.recording,
                                   .compress = options.compress,
                                   .max_size = options.max_size,
                                   .keep = options.rotate};
}

// What is to be seen of it is in the file.
class NullSink final : public Sink {
 public:
  void write(const Record&) noexcept override {}
};

int record(const Options& options) {
  Output output(STDOUT_FILENO);  // nothing is written to it, and nobody needs to read it
  NullSink nowhere;
  TracerConfig config{.session = session_config(options),
                      .watch_accept = options.accept,
                      .ring_bytes = options.ring_bytes,
                      .duration = options.duration,
                      .ready_file = options.ready_file,
                      .files = options.files,
                      .record = recorder_config(options),
                      .only_record = true};
  config.session.needs_reader = false;
  auto end = trace(config, nowhere, output);
  return end ? report(options, *end, output) : fail(end.error());
}

// What `stats` prints, of a run or of a recording.
struct StatsPrinter {
  StatsPrinter(const Options& options, Output& output)
      : text(output, text_style(options, output)),
        json(output),
        json_others(output, Kinds{}),
        stats(options.stats, options.json ? static_cast<Sink&>(json_others) : text,
              options.json ? static_cast<StatsOutput&>(json) : text) {}
  // As many tables as were asked for.
  std::function<bool()> enough(const Options& options) const {
    if (!options.intervals) return {};
    return [this, most = *options.intervals] { return stats.intervals() >= most; };
  }

  StatsText text;
  StatsJson json;
  NdjsonSink json_others;
  Stats stats;
};

int replay(const Options& options) {
  ReplayConfig config{.path = options.recording, .filter = options.filter};
  if (options.thresholds_given) config.thresholds = options.thresholds;
  if (options.max_connections_given) config.max_connections = options.max_connections;
  auto recording = open_recording(config);
  if (!recording) return fail(recording.error());
  FilePolicy files = options.files;
  files.in_use.insert(files.in_use.end(), recording->files.begin(), recording->files.end());
  auto output = Output::open(options.output, 0, files);
  if (!output) return fail(output.error());
  std::unique_ptr<Sink> sink;
  std::optional<StatsPrinter> printer;
  if (options.replays_stats) {
    printer.emplace(options, *output);
    config.observer = &printer->stats;
    config.enough = printer->enough(options);
  } else {
    sink = make_sink(options, *output);
    config.observer = dynamic_cast<Observer*>(sink.get());
  }
  auto end = replay(config, *recording, printer ? printer->stats : *sink, *output);
  return end ? report(options, *end, *output) : fail(end.error());
}

int trace(const Options& options) {
  auto output = Output::open(options.output, options.output_buffer, options.files);
  if (!output) return fail(output.error());
  const auto sink = make_sink(options, *output);
  TracerConfig config{.session = session_config(options),
                      .watch_accept = options.accept,
                      .ring_bytes = options.ring_bytes,
                      .duration = options.duration,
                      .ready_file = options.ready_file,
                      .files = options.files,
                      .record = recorder_config(options)};
  config.session.observer = dynamic_cast<Observer*>(sink.get());
  auto end = trace(config, *sink, *output);
  return end ? report(options, *end, *output) : fail(end.error());
}

int stats(const Options& options) {
  auto output = Output::open(options.output, options.output_buffer, options.files);
  if (!output) return fail(output.error());
  StatsPrinter printer(options, *output);
  TracerConfig config{.session = session_config(options),
                      .watch_accept = options.accept,
                      .ring_bytes = options.ring_bytes,
                      .duration = options.duration,
                      .ready_file = options.ready_file,
                      .files = options.files};
  config.session.observer = &printer.stats;
  config.enough = printer.enough(options);
  auto end = trace(config, printer.stats, *output);
  return end ? report(options, *end, *output) : fail(end.error());
}

int leaks(const Options& options) {
  auto output = Output::open(options.output, options.output_buffer, options.files);
  if (!output) return fail(output.error());
  LeakReport table(*output, text_style(options, *output));
  FlagsTo<LeakReport> to_table(table);
  NdjsonSink json(*output, Kinds{});
  RaisedOnly sink(options.json ? static_cast<Sink&>(json) : to_table);
  bool leaked = false;
  auto end = find_leaks({.session = session_config(options),
                         .ring_bytes = options.ring_bytes,
                         .watch = options.watch,
                         .duration = options.duration},
                        sink, *output, [&](const EndRecord& look) {
                          if (!options.json) table.print(look.when, *look.watched);
                          leaked = sink.leaked();
                          sink.begin_round();
                        });
  if (!end) return fail(end.error());
  if (!*end) return kFailed;
  const int status = lost_status(options, **end, *output);
  return status != kDone ? status : leaked ? kLeaked : kDone;
}

// stdout is the command's: the report goes to stderr, or to a file.
int run(const Options& options) {
  auto command = Command::fork(options.command, options.user);
  if (!command) return fail(command.error(), kOwnFailure);
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error, kOwnFailure);
  give_away_stdin_and_stdout();
  auto output = options.output.empty()
                    ? Result<Output>(Output(STDERR_FILENO, options.output_buffer))
                    : Output::open(options.output, options.output_buffer, options.files);
  if (!output) return fail(output.error(), kOwnFailure);
  RunReport report(*output, text_style(options, *output), options.thresholds, options.exit_grace);
  NdjsonSink json(*output, Kinds{});
  RaisedOnly raised(json);
  NullSink none;
  RunSink sink(report, options.json ? static_cast<Sink&>(raised) : none);
  RunConfig config{.session = session_config(options),
                   .watch_accept = options.accept,
                   .ring_bytes = options.ring_bytes};
  config.session.filter.followed = true;
  config.session.snapshot = false;
  config.session.needs_reader = false;  // CMD does not
  config.session.exit_grace = options.exit_grace;
  const auto done = run(config, *command, sink, *output);
  if (const auto* failure = std::get_if<ExecFailure>(&done))
    return fail(failure->error, failure->status);
  const auto& [status, end] = std::get<RunResult>(done);
  const bool leaked = report.leaked() > 0;
  if (!options.json && (leaked || !options.quiet))
    report.print(options.command.front(), status, end.longest);
  output->finish();
  if (const auto error = write_error(*output)) return fail(*error, kOwnFailure);
  const int lost = lost_status(options, end, *output);
  if (status != kDone) return status;
  return leaked ? options.leak_exit_code : lost;
}

int check(const Options& options) {
  ::signal(SIGPIPE, SIG_IGN);  // a closed pipe ends it quietly
  auto output = Output::open(options.output, 0, options.files);
  if (!output) return fail(output.error());
  CheckConfig config;
  if (options.filter.netns)
    config.netns = NetnsChoice{.inum = *options.filter.netns, .path = options.netns_path};
  const auto [report, refusal] = check(config);
  output->write(
      options.json ? check_json(report) : check_text(report, text_style(options, *output)), true);
  output->finish();
  if (const auto error = output->error()) return fail(*error);
  return refusal ? fail(*refusal) : kDone;
}

int perform(const Options& options) {
  if (options.verb != Verb::Run) {  // which forks first
    const std::size_t descriptors = options.verb == Verb::Replay  ? kDescriptorsOfAReplay
                                    : options.verb == Verb::Leaks ? kDescriptorsOfALook
                                                                  : kDescriptorsOfATrace;
    if (const auto error = settle_limits(descriptors)) return fail(*error);
  }
  switch (options.verb) {
    case Verb::Trace: return trace(options);
    case Verb::Stats: return stats(options);
    case Verb::Leaks: return leaks(options);
    case Verb::Run: return run(options);
    case Verb::Check: return check(options);
    case Verb::RecordOnly: return record(options);
    case Verb::Replay: return replay(options);
  }
  return kFailed;
}

int show(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return kDone;
  const Error error = system_error("writing to standard output");
  std::fprintf(stderr, "tcpdwell: %s\n", error.text().c_str());
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  int status = kFailed;
  end_with_status<kFailed>();
  try {
    const auto parsed = parse_options(argc, argv);
    if (const auto* text = std::get_if<Show>(&parsed)) return show(text->text);
    if (const auto* error = std::get_if<UsageError>(&parsed)) {
      std::fprintf(stderr, "tcpdwell: %s\n", error->line.c_str());
      return error->verb == Verb::Run ? kOwnFailure : kFailed;
    }
    const auto& options = std::get<Options>(parsed);
    if (options.verb == Verb::Run) {
      status = kOwnFailure;
      end_with_status<kOwnFailure>();
    }
    set_up_log(options.verbose);
    return perform(options);
  } catch (...) {
    tell_what_was_thrown();
    return status;
  }
}
