// SPDX-License-Identifier: Apache-2.0
#include "commands/replay_run.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>

#include "lifecycle/lifecycle.h"
#include "pipeline/event_pipeline.h"
#include "sinks/text_format.h"

namespace tcpdwell {
namespace {

using recording::Player;

// One step of the player makes a few megabytes of output at most.
constexpr std::size_t kMostWaiting = 4U << 20U;
constexpr std::chrono::milliseconds kSignalCheck{50};

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

}  // namespace

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
  return pipeline.end();
}

}  // namespace tcpdwell
