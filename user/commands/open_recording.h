// SPDX-License-Identifier: Apache-2.0
// Opens a recording and its rotated files for a replay that SIGINT and SIGTERM can end.
#pragma once

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/thresholds.h"
#include "recording/player.h"
#include "session/signals.h"
#include "util/file_id.h"
#include "util/result.h"

namespace tcpdwell {

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

struct RecordingFile {
  std::string path;
  std::uint64_t bytes = 0;
};

struct OpenRecording {
  std::unique_ptr<Interrupt> interrupt;
  std::unique_ptr<recording::Player> player;
  std::vector<FileId> files;         // no option may write to them
  std::vector<RecordingFile> parts;  // that are played, oldest first
};

// What the command line gives must equal the recorded values, by which the kernel was asked.
// nullopt: not given.
struct RecordedOptions {
  std::optional<Thresholds> thresholds;
  std::optional<std::size_t> max_connections;
};

// `path`: the newest file; older parts of the same run (path.1, ...) are beside it. Call it on the
// main thread, before any other thread exists, and before the output is opened, which may name a
// file of the recording.
Result<OpenRecording> open_recording(const std::string& path, const RecordedOptions& given);

}  // namespace tcpdwell
