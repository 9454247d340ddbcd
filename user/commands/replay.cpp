// SPDX-License-Identifier: Apache-2.0
// `replay`: prints a recording as the run that made it would have printed it, its tables, what was
// stuck at a moment, or what it is.
#include <spdlog/spdlog.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/common.h"
#include "commands/leak_sinks.h"
#include "commands/open_recording.h"
#include "commands/printers.h"
#include "commands/replay_run.h"
#include "commands/replay_top.h"
#include "commands/replay_window.h"
#include "commands/table.h"
#include "lifecycle/lifecycle.h"
#include "lifecycle/open_flags.h"
#include "session/limits.h"
#include "sinks/leak_report.h"
#include "sinks/output.h"
#include "sinks/recording_info.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

using recording::Player;

// The one who prints, with all that it needs.
struct Replay {
  const Options& options;
  ReplayConfig config;
  OpenRecording& recording;
  Output& output;

  ReplayWindow window() const { return {options.since, options.until}; }
  // The exit status.
  int finish(Result<EndRecord>& end, const std::function<int(const EndRecord&)>& status) const;
};

int Replay::finish(Result<EndRecord>& end,
                   const std::function<int(const EndRecord&)>& status) const {
  if (!end) return fail(end.error());
  output.finish();
  if (const auto error = output.error()) return fail(*error);
  return status(*end);
}

int replay_trace(Replay play) {
  const auto sink = make_sink(play.options, play.output);
  play.config.observer = dynamic_cast<Observer*>(sink.get());
  WindowSink window(play.window(), *sink);
  auto end = replay(play.config, play.recording, window, play.output);
  if (end && window.is_late())
    spdlog::warn(
        "{0} ends before --since: nothing is printed (its first and last time: tcpdwell replay {0} "
        "info)",
        play.config.path);
  return play.finish(end, [&](EndRecord all) {
    // Without a window, a sink that needs no transitions gets none to count.
    if (play.options.since || play.options.until) {
      all.passed.transitions = window.passed().transitions;
      all.passed.connections = window.passed().connections;
    }
    return report(play.options, all, play.output);
  });
}

int replay_stats(Replay play) {
  StatsPrinter printer(play.options, play.output);
  WindowObserver window(play.window(), printer.stats, printer.stats,
                        [&](Nanos now) { printer.stats.begin_at(now); });
  play.config.observer = &window;
  play.config.enough = [&, enough = printer.enough(play.options)] {
    return window.is_over() || (enough && enough());
  };
  auto end = replay(play.config, play.recording, window, play.output);
  return play.finish(end,
                     [&](const EndRecord& all) { return report(play.options, all, play.output); });
}

// Reads at the end how many sockets are in the states that can be flagged.
class EndWatch final : public Observer {
 public:
  void ticked(Nanos, const Lifecycle&) noexcept override {}
  void finished(Nanos now, const Lifecycle& lifecycle) noexcept override {
    watched_ = lifecycle.watched_states(now);
  }
  std::optional<Nanos> due() const noexcept override { return std::nullopt; }
  const std::vector<WatchedState>& watched() const { return watched_; }

 private:
  std::vector<WatchedState> watched_;
};

int replay_leaks(Replay play) {
  const Options& options = play.options;
  LeakReport table(play.output, text_style(options, play.output), options.leak_view);
  FlagsTo<LeakReport> to_table(table);
  NdjsonSink json(play.output, Kinds{});
  OpenFlags open(options.json ? static_cast<Sink&>(json) : to_table);
  EndWatch watch;
  WindowObserver window(play.window(), open, watch);
  play.config.observer = &window;
  play.config.enough = [&] { return window.is_over(); };
  auto end = replay(play.config, play.recording, window, play.output);
  if (end && options.until && !window.is_over())
    spdlog::warn(
        "{0} ends before --until: this is what was stuck at its end (its first and last time: "
        "tcpdwell replay {0} info)",
        play.config.path);
  if (end && !options.json) table.print(end->when, watch.watched());
  if (end && !options.json && !options.quiet && open.flags().size() != 0)
    spdlog::info("causes, holders and advice are as of when each socket was flagged");
  return play.finish(end, [&](const EndRecord& all) {
    LeakVerdict verdict(options.leak_limits);
    verdict.scanned(all.when.mono, open.flags().all());
    const int lost = lost_status(options, all, play.output);
    return lost != kDone ? lost : verdict.failed() ? kLeaked : kDone;
  });
}

// Keeps the start record, whose time the setting of the recording lacks.
class KeepStart final : public Sink {
 public:
  explicit KeepStart(StartRecord& start) : start_(start) {}
  void write(const Record& record) noexcept override {
    if (const auto* start = std::get_if<StartRecord>(&record)) start_ = *start;
  }
  Needs needs() const noexcept override {
    return {.transitions = false, .connections = false, .whose = false};
  }

 private:
  StartRecord& start_;
};

int replay_info(Replay play) {
  RecordingInfo info;
  KeepStart sink(info.start);
  auto end = replay(play.config, play.recording, sink, play.output);
  if (end) {
    const Player& player = *play.recording.player;
    info.end = *end;
    info.damaged = player.damaged();
    info.begins_late = player.begins_late();
    info.reached_max_size = player.reached_max_size();
    for (const RecordingFile& file : play.recording.parts)
      info.files.emplace_back(file.path, file.bytes);
    play.output.write(play.options.json ? recording_info_json(info) : recording_info_text(info),
                      true);
  }
  return play.finish(
      end, [&](const EndRecord& all) { return lost_status(play.options, all, play.output); });
}

}  // namespace

int run_replay(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfAReplay)) return fail(*error);
  RecordedOptions given;
  if (options.thresholds_given) given.thresholds = options.thresholds;
  if (options.max_connections_given) given.max_connections = options.max_connections;
  std::optional<top::Terminal> terminal;
  if (options.replays_top) {
    auto opened = top::Terminal::open();
    if (!opened) return fail(opened.error());
    terminal.emplace(std::move(*opened));
  }
  auto recording = open_recording(options.recording, given);
  if (!recording) return fail(recording.error());
  if (terminal) return replay_top(options, *recording, *terminal);
  FilePolicy files = options.files;
  files.in_use.insert(files.in_use.end(), recording->files.begin(), recording->files.end());
  auto output = Output::open(options.output, 0, files);
  if (!output) return fail(output.error());
  const Replay replay{.options = options,
                      .config = {.path = options.recording, .filter = options.filter},
                      .recording = *recording,
                      .output = *output};
  switch (options.replay) {
    case Options::Replay::Trace: break;
    case Options::Replay::Stats: return replay_stats(replay);
    case Options::Replay::Leaks: return replay_leaks(replay);
    case Options::Replay::Info: return replay_info(replay);
  }
  return replay_trace(replay);
}

}  // namespace tcpdwell
