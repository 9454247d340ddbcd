// SPDX-License-Identifier: Apache-2.0
// `replay`: a recording, through the same pipeline as the run that made it. Needs no rights and no
// BPF; asks this machine nothing.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "session/signals.h"
#include "lifecycle/filter.h"
#include "model/observer.h"
#include "model/record.h"
#include "model/thresholds.h"
#include "recording/player.h"
#include "sinks/output.h"
#include "util/file_id.h"
#include "util/result.h"

namespace tcpdwell {

struct ReplayConfig {
  std::string path;  // with the older parts path.1 ... of the same run beside it
  Filter filter;     // of what the recording has
  // As they were asked for, to be compared: the kernel was asked by those of the run. nullopt: they
  // were not.
  std::optional<Thresholds> thresholds;
  std::optional<std::size_t> max_connections;
  Observer* observer = nullptr;
  std::function<bool()> enough;  // over when it says so; empty: at the end
};

// SIGINT and SIGTERM, between listen() and rest(). Elsewhere they do what they did before.
class Interrupt {
 public:
  void listen();
  void rest();
  bool came();

 private:
  std::optional<Signals> signals_;
  sigset_t before_{};
  bool came_ = false;
};

// What can be replayed. Open it before the output, which may be one of its files.
struct OpenRecording {
  std::unique_ptr<Interrupt> interrupt;
  std::unique_ptr<recording::Player> player;
  std::vector<FileId> files;
};
Result<OpenRecording> open_recording(const ReplayConfig& config);

// Writes every record of it to `sink`, which writes to `output`; waits for a reader that is slow.
// SIGINT and SIGTERM end it where it is. Call both on the main thread, before any other is made.
Result<EndRecord> replay(const ReplayConfig& config, OpenRecording& recording, Sink& sink,
                         Output& output);

}  // namespace tcpdwell
