// SPDX-License-Identifier: Apache-2.0
// `report`: one page with the pictures of a recording, or of this host; and a trace for Perfetto.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "commands/common.h"
#include "commands/log.h"
#include "commands/open_recording.h"
#include "commands/replay_run.h"
#include "commands/replay_window.h"
#include "commands/report_options.h"
#include "commands/table.h"
#include "commands/waiting.h"
#include "report/collector.h"
#include "report/page.h"
#include "report/perfetto.h"
#include "session/limits.h"
#include "sinks/escape.h"
#include "sinks/output.h"
#include "sinks/text_format.h"
#include "util/version.h"

namespace tcpdwell {
namespace {

std::string file_name(const std::string& path) {
  std::string text;
  append_printable(text, std::filesystem::path(path).filename().string());
  return text;
}

// Both files, opened before the run: a wrong path is known at once.
struct ReportFiles {
  std::optional<Output> page, trace;

  static Result<ReportFiles> open(const Options& options, const FilePolicy& policy) {
    ReportFiles files;
    const auto& own = static_cast<const ReportOptions&>(*options.own);
    for (const auto& [path, file] :
         {std::pair{&options.output, &files.page}, {&own.perfetto(), &files.trace}}) {
      if (path->empty()) continue;
      auto output = Output::open(*path, 0, policy);
      if (!output) return output.error();
      file->emplace(std::move(*output));
    }
    return files;
  }
};

// Writes what the options ask for. Returns the error, if a file could not be written.
std::optional<Error> write_report(const Options& options, reporting::ReportData data,
                                  ReportFiles& files) {
  data.version = version();
  const auto write = [&](std::optional<Output>& file, const std::string& path,
                         const std::string& bytes) {
    file->write(bytes, true);
    file->finish();
    if (!file->error() && !options.quiet)
      spdlog::info("{}: {} bytes", path, format_number(bytes.size()));
    return file->error();
  };
  const auto& own = static_cast<const ReportOptions&>(*options.own);
  if (files.trace)
    if (auto error = write(files.trace, own.perfetto(), reporting::perfetto_trace(data)))
      return error;
  if (files.page) return write(files.page, options.output, reporting::page(std::move(data)));
  return std::nullopt;
}

int report_recording(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfAReplay)) return fail(*error);
  RecordedOptions given;
  if (options.thresholds_given) given.thresholds = options.thresholds;
  if (options.max_connections_given) given.max_connections = options.max_connections;
  auto recording = open_recording(options.recording, given);
  if (!recording) return fail(recording.error());
  FilePolicy policy = options.files;
  policy.in_use.insert(policy.in_use.end(), recording->files.begin(), recording->files.end());
  auto files = ReportFiles::open(options, policy);
  if (!files) return fail(files.error());
  reporting::Collector collector;
  bool begun = !options.since;
  WindowObserver window({options.since, options.until}, collector, collector, [&](Nanos now) {
    begun = true;
    collector.begin_at(now);
  });
  Output& watched = files->page ? *files->page : *files->trace;
  auto end = replay({.path = options.recording,
                     .filter = options.filter,
                     .observer = &window,
                     .enough = [&] { return window.is_over(); }},
                    *recording, window, watched);
  if (!end) return fail(end.error());
  if (!begun)
    return fail({options.recording + " ends before --since",
                 {},
                 "Its first and last time: tcpdwell replay " + options.recording + " info"});
  reporting::ReportData data = collector.take();
  const recording::Player& player = *recording->player;
  data.source = file_name(options.recording);
  data.limits.begins_late = player.begins_late();
  data.limits.damaged = player.damaged();
  data.limits.reached_max_size = player.reached_max_size();
  data.limits.interrupted = recording->interrupt->came();
  data.limits.truncated = player.truncated() && !window.is_over() && !data.limits.interrupted;
  if (const auto error = write_report(options, std::move(data), *files)) return fail(*error);
  return lost_status(options, *end, watched);
}

int report_host(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfATrace)) return fail(*error);
  auto files = ReportFiles::open(options, options.files);
  if (!files) return fail(files.error());
  reporting::Collector collector;
  TracerConfig config = tracer_config(options);
  config.session.observer = &collector;
  config.session.needs_reader = false;
  config.on_turn = progress(options, [&](const Session& session, Nanos elapsed) {
    return "tracing for " + seconds_text(elapsed) + " of " + seconds_text(*options.duration) +
           ": " + format_count(session.events(), "event");
  });
  Output nowhere(STDOUT_FILENO);  // required by trace(); nothing is written to it
  auto end = trace(config, collector, nowhere);
  clear_progress();
  if (!end) return fail(end.error());
  if (const auto error = write_report(options, collector.take(), *files)) return fail(*error);
  return lost_status(options, *end, nowhere);
}

}  // namespace

int run_report(const Options& options) {
  return options.recording.empty() ? report_host(options) : report_recording(options);
}

}  // namespace tcpdwell
