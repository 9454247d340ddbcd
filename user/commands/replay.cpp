// SPDX-License-Identifier: Apache-2.0
#include "commands/replay.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <utility>
#include <vector>

#include "recording/player.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

using recording::FileSource;
using recording::InterruptibleSource;
using recording::Player;
using recording::Reader;

// A step of the player makes a few megabytes of output at the most.
constexpr std::size_t kMostWaiting = 4U << 20U;
constexpr std::chrono::milliseconds kLook{50};  // at signals

// Opens the parts of a run.
class Parts {
 public:
  explicit Parts(Interrupt& interrupt) : interrupt_(interrupt) {}

  // The file, and before it those of the same run that were rotated away, without a gap.
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
    return Error{std::string(option) + " is not what " + config.path +
                     " was recorded with: the kernel was asked by that alone",
                 {},
                 "Leave the option out"};
  };
  if (config.thresholds && *config.thresholds != setting.config.thresholds)
    return differs("--flag or --no-flags");
  if (config.max_connections && *config.max_connections != setting.config.max_connections)
    return differs("--max-connections");
  return std::nullopt;
}

// All that stand beside it as its parts, also those that it does not go back to.
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
  if (interrupt->came()) return Error{config.path + ": interrupted before it was open", {}, {}};
  if (!player) return Error{config.path + ": " + player.error().text(), {}, {}};
  if (const auto error = compare(config, (*player)->setting())) return *error;
  auto files = parts.take_files();
  for (const FileId& file : rotated_files(config.path)) files.push_back(file);
  return OpenRecording{
      .interrupt = std::move(interrupt), .player = std::move(*player), .files = std::move(files)};
}

// Nobody else waits for us: a reader that is slow is waited for. It has something to read
// meanwhile.
bool write_out(Output& output, Interrupt& interrupt) {
  while (!interrupt.came() && !output.wait(kMostWaiting, kLook)) continue;
  return output.flush() == Output::Status::Ok;
}

void tell(const ReplayConfig& config, const Player& player) {
  if (player.damaged() > 0)
    spdlog::warn("{}: {} damaged and passed over", config.path,
                 format_count(player.damaged(), "frame"));
  if (player.reached_max_size())
    spdlog::warn("{} ends where its --max-size was reached, not where the run did", config.path);
  else if (player.truncated())
    spdlog::warn("{} was cut off: what is told ends there", config.path);
}

}  // namespace

void Interrupt::listen() {
  pthread_sigmask(SIG_BLOCK, nullptr, &before_);
  signals_.emplace();
}

void Interrupt::rest() {
  came();  // what came is not told a second time, by its default action
  signals_.reset();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool Interrupt::came() {
  while (signals_) {
    const auto signal = signals_->next();
    if (!signal) break;
    came_ = came_ || *signal != SIGHUP;
  }
  return came_;
}

Result<OpenRecording> open_recording(const ReplayConfig& config) {
  auto interrupt = std::make_unique<Interrupt>();
  interrupt->listen();
  auto opened = open_player(config, std::move(interrupt));
  if (opened) opened->interrupt->rest();
  return opened;
}

Result<EndRecord> replay(const ReplayConfig& config, OpenRecording& recording, Sink& sink,
                         Output& output) {
  Player& player = *recording.player;
  Interrupt& interrupt = *recording.interrupt;
  interrupt.listen();
  if (player.begins_late())
    spdlog::warn("{}: the parts before it are gone; it begins with the sockets that were there",
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
  tell(config, player);
  output.finish();
  if (const auto error = output.error()) return *error;
  return pipeline.end();
}

}  // namespace tcpdwell
