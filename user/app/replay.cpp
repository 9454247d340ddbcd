// SPDX-License-Identifier: Apache-2.0
#include "app/replay.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "app/signals.h"
#include "recording/player.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

using recording::FileSource;
using recording::Player;
using recording::Reader;

// A step of the player makes a few megabytes of output at the most.
constexpr std::size_t kMostWaiting = 4U << 20U;
constexpr std::chrono::milliseconds kLook{50};  // at signals

Result<Reader> open_part(const std::string& path) {
  auto source = FileSource::open(path);
  if (!source) return source.error();
  return Reader::open(std::move(*source), path);
}

// The file, and before it those of the same run that were rotated away, without a gap.
Result<std::vector<Reader>> find_parts(const std::string& path) {
  std::vector<Reader> parts;
  auto newest = open_part(path);
  if (!newest) return newest.error();
  parts.push_back(std::move(*newest));
  for (unsigned i = 1; parts.back().header().part != 0; ++i) {
    auto older = open_part(path + '.' + std::to_string(i));
    const auto& newer = parts.back().header();
    if (!older && older.error().code && older.error().code.value() != ENOENT) return older.error();
    if (!older || older->header().run != newer.run || older->header().part + 1 != newer.part) break;
    parts.push_back(std::move(*older));
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

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

Result<std::unique_ptr<Player>> open_player(const ReplayConfig& config) {
  auto parts = find_parts(config.path);
  if (!parts) return parts.error();
  auto player = Player::open(std::move(*parts));
  if (!player) return Error{config.path + ": " + player.error().text(), {}, {}};
  if (const auto error = compare(config, (*player)->setting())) return *error;
  return player;
}

// Nobody else waits for us: a reader that is slow is waited for. It has something to read
// meanwhile.
bool write_out(Output& output, Signals& signals, bool& over) {
  while (!over && !output.wait(kMostWaiting, kLook))
    while (const auto signal = signals.next()) over = over || *signal != SIGHUP;
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

std::optional<Error> why_no_replay(const ReplayConfig& config, const std::string& output) {
  const auto player = open_player(config);
  if (!player) return player.error();
  std::error_code absent;
  if (!output.empty() && std::filesystem::equivalent(output, config.path, absent))
    return Error{"--output " + output + " is the recording itself", {}, {}};
  return std::nullopt;
}

Result<EndRecord> replay(const ReplayConfig& config, Sink& sink, Output& output) {
  Signals signals;
  auto opened = open_player(config);
  if (!opened) return opened.error();
  Player& player = **opened;
  if (player.begins_late())
    spdlog::warn("{}: the parts before it are gone; it begins with the sockets that were there",
                 config.path);
  Filter filter = config.filter;
  filter.recorded = std::make_shared<Filter>(player.setting().filter);
  Lifecycle lifecycle(player.setting().config, filter, sink);
  Feed feed(player.setting().start, lifecycle, sink, nullptr, config.observer);
  player.begin(feed, lifecycle, passes_all_of(config.filter, player.setting().filter),
               config.enough);
  bool over = false;
  while (!over) {
    auto more = player.step();
    if (!more) return more.error();
    if (!write_out(output, signals, over) || !*more) break;
    while (const auto signal = signals.next()) over = over || *signal != SIGHUP;
  }
  player.stop();
  tell(config, player);
  output.finish();
  if (const auto error = output.error()) return *error;
  return feed.end();
}

}  // namespace tcpdwell
