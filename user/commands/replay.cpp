// SPDX-License-Identifier: Apache-2.0
// `replay`: prints a recording as the run that made it would have printed it.
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "commands/common.h"
#include "commands/printers.h"
#include "commands/table.h"
#include "lifecycle/lifecycle.h"
#include "pipeline/event_pipeline.h"
#include "recording/player.h"
#include "session/limits.h"
#include "session/signals.h"
#include "sinks/output.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

using recording::FileSource;
using recording::InterruptibleSource;
using recording::Player;
using recording::Reader;

// One step of the player makes a few megabytes of output at most.
constexpr std::size_t kMostWaiting = 4U << 20U;
constexpr std::chrono::milliseconds kSignalCheck{50};

struct ReplayConfig {
  std::string path;  // older parts of the same run (path.1, ...) are beside it
  Filter filter;     // of what the recording has
  // As given on the command line; must equal the recorded ones, by which the kernel was asked.
  // nullopt: not given.
  std::optional<Thresholds> thresholds;
  std::optional<std::size_t> max_connections;
  Observer* observer = nullptr;
  std::function<bool()> enough;  // ends the replay once true; empty: never
};

// SIGINT and SIGTERM, caught between listen() and rest(); their actions are as before elsewhere.
class Interrupt {
 public:
  void listen() {
    pthread_sigmask(SIG_BLOCK, nullptr, &before_);
    signals_.emplace();
  }
  void rest() {
    came();  // takes a pending signal, whose default action would follow otherwise
    signals_.reset();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  bool came() {
    while (signals_) {
      const auto signal = signals_->next();
      if (!signal) break;
      came_ = came_ || *signal != SIGHUP;
    }
    return came_;
  }

 private:
  std::optional<Signals> signals_;
  sigset_t before_{};
  bool came_ = false;
};

struct OpenRecording {
  std::unique_ptr<Interrupt> interrupt;
  std::unique_ptr<recording::Player> player;
  std::vector<FileId> files;  // no option may write to them
};

// Opens the parts of a run.
class Parts {
 public:
  explicit Parts(Interrupt& interrupt) : interrupt_(interrupt) {}

  // The file, preceded by the rotated files of the same run that lead up to it without a gap.
  Result<std::vector<Reader>> find(const std::string& path) {
    std::vector<Reader> parts;
    auto newest = open(path);
    if (!newest) return newest.error();
    parts.push_back(std::move(*newest));
    for (unsigned i = 1; parts.back().header().part != 0; ++i) {
      auto older = open(path + '.' + std::to_string(i));
      const auto& newer = parts.back().header();
      if (!older && older.error().code && older.error().code.value() != ENOENT)
        return older.error();
      if (!older || older->header().run != newer.run || older->header().part + 1 != newer.part)
        break;
      parts.push_back(std::move(*older));
    }
    std::reverse(parts.begin(), parts.end());
    return parts;
  }
  std::vector<FileId> take_files() { return std::move(files_); }

 private:
  Result<Reader> open(const std::string& path) {
    auto source = FileSource::open(path);
    if (!source) return source.error();
    if (const auto id = id_of((*source)->fd())) files_.push_back(*id);
    return Reader::open(
        std::make_unique<InterruptibleSource>(
            std::move(*source), [interrupt = &interrupt_] { return interrupt->came(); }),
        path);
  }

  Interrupt& interrupt_;
  std::vector<FileId> files_;
};

std::optional<Error> compare(const ReplayConfig& config, const recording::Setting& setting) {
  const auto differs = [&](const char* option) {
    return Error{std::string(option) + " differs from that of the recording " + config.path,
                 {},
                 "Omit the option: a replay cannot ask the kernel anew"};
  };
  if (config.thresholds && *config.thresholds != setting.config.thresholds)
    return differs("--flag or --no-flags");
  if (config.max_connections && *config.max_connections != setting.config.max_connections)
    return differs("--max-connections");
  return std::nullopt;
}

// All files beside it that look like its parts, including those that the replay does not use.
std::vector<FileId> rotated_files(const std::string& path) {
  std::vector<FileId> files;
  struct stat info {};
  for (unsigned i = 1; ::stat((path + '.' + std::to_string(i)).c_str(), &info) == 0; ++i)
    files.push_back(id_of(info));
  return files;
}

Result<OpenRecording> open_player(const ReplayConfig& config,
                                  std::unique_ptr<Interrupt> interrupt) {
  Parts parts(*interrupt);
  auto readers = parts.find(config.path);
  if (!readers) return readers.error();
  auto player = Player::open(std::move(*readers));
  if (interrupt->came()) return Error{config.path + ": interrupted while it was opened", {}, {}};
  if (!player) return Error{config.path + ": " + player.error().text(), {}, {}};
  if (const auto error = compare(config, (*player)->setting())) return *error;
  auto files = parts.take_files();
  for (const FileId& file : rotated_files(config.path)) files.push_back(file);
  return OpenRecording{
      .interrupt = std::move(interrupt), .player = std::move(*player), .files = std::move(files)};
}

// Waits for a slow reader: a replay has no deadline.
bool write_out(Output& output, Interrupt& interrupt) {
  while (!interrupt.came() && !output.wait(kMostWaiting, kSignalCheck)) continue;
  return output.flush() == Output::Status::Ok;
}

void warn_if_incomplete(const ReplayConfig& config, const Player& player) {
  if (player.damaged() > 0)
    spdlog::warn("{}: skipped {} that are damaged", config.path,
                 format_count(player.damaged(), "frame"));
  if (player.reached_max_size())
    spdlog::warn("{} reached its --max-size before the run ended: the rest was not recorded",
                 config.path);
  else if (player.truncated())
    spdlog::warn("{} is cut off: the output ends there", config.path);
}

// Call it before the output is opened, which may name a file of the recording.
Result<OpenRecording> open_recording(const ReplayConfig& config) {
  auto interrupt = std::make_unique<Interrupt>();
  interrupt->listen();
  auto opened = open_player(config, std::move(interrupt));
  if (opened) opened->interrupt->rest();
  return opened;
}

// Writes every record to `sink`, which writes to `output`. SIGINT and SIGTERM end it early. Call
// open_recording() and this on the main thread, before any other thread exists.
Result<EndRecord> replay(const ReplayConfig& config, OpenRecording& recording, Sink& sink,
                         Output& output) {
  Player& player = *recording.player;
  Interrupt& interrupt = *recording.interrupt;
  interrupt.listen();
  if (player.begins_late())
    spdlog::warn("{}: older parts are missing; it begins with the sockets that were open then",
                 config.path);
  Filter filter = config.filter;
  filter.recorded = std::make_shared<Filter>(player.setting().filter);
  Lifecycle lifecycle(player.setting().config, filter, sink);
  EventPipeline pipeline(player.setting().start, lifecycle, sink, nullptr, config.observer);
  player.begin(pipeline, lifecycle, passes_all_of(config.filter, player.setting().filter),
               config.enough);
  while (!interrupt.came()) {
    auto more = player.step();
    if (!more) return more.error();
    if (!write_out(output, interrupt) || !*more) break;
  }
  player.stop();
  warn_if_incomplete(config, player);
  output.finish();
  if (const auto error = output.error()) return *error;
  return pipeline.end();
}

}  // namespace

int run_replay(const Options& options) {
  if (const auto error = settle_limits(kDescriptorsOfAReplay)) return fail(*error);
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

}  // namespace tcpdwell
