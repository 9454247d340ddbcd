// SPDX-License-Identifier: Apache-2.0
#include "commands/open_recording.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace tcpdwell {
namespace {

using recording::FileSource;
using recording::InterruptibleSource;
using recording::Player;
using recording::Reader;

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
    played_.resize(parts.size());
    std::reverse(played_.begin(), played_.end());
    return parts;
  }
  std::vector<FileId> take_files() { return std::move(files_); }
  std::vector<RecordingFile> take_played() { return std::move(played_); }

 private:
  Result<Reader> open(const std::string& path) {
    auto source = FileSource::open(path);
    if (!source) return source.error();
    if (const auto id = id_of((*source)->fd())) files_.push_back(*id);
    struct stat info {};
    const bool known = ::fstat((*source)->fd(), &info) == 0;
    played_.push_back({path, known ? static_cast<std::uint64_t>(info.st_size) : 0});
    return Reader::open(
        std::make_unique<InterruptibleSource>(
            std::move(*source), [interrupt = &interrupt_] { return interrupt->came(); }),
        path);
  }

  Interrupt& interrupt_;
  std::vector<FileId> files_;
  std::vector<RecordingFile> played_;  // newest first; the last may not belong to the run
};

std::optional<Error> compare(const std::string& path, const RecordedOptions& given,
                             const recording::Setting& setting) {
  const auto differs = [&](const char* option) {
    return Error{std::string(option) + " differs from that of the recording " + path,
                 {},
                 "Omit the option: a replay cannot ask the kernel anew"};
  };
  if (given.thresholds && *given.thresholds != setting.config.thresholds)
    return differs("--flag or --no-flags");
  if (given.max_connections && *given.max_connections != setting.config.max_connections)
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

Result<OpenRecording> open_player(const std::string& path, const RecordedOptions& given,
                                  std::unique_ptr<Interrupt> interrupt) {
  Parts parts(*interrupt);
  auto readers = parts.find(path);
  if (!readers) return readers.error();
  auto player = Player::open(std::move(*readers));
  if (interrupt->came()) return Error{path + ": interrupted while it was opened", {}, {}};
  if (!player) return Error{path + ": " + player.error().text(), {}, {}};
  if (const auto error = compare(path, given, (*player)->setting())) return *error;
  auto files = parts.take_files();
  for (const FileId& file : rotated_files(path)) files.push_back(file);
  return OpenRecording{.interrupt = std::move(interrupt),
                       .player = std::move(*player),
                       .files = std::move(files),
                       .parts = parts.take_played()};
}

}  // namespace

Result<OpenRecording> open_recording(const std::string& path, const RecordedOptions& given) {
  auto interrupt = std::make_unique<Interrupt>();
  interrupt->listen();
  auto opened = open_player(path, given, std::move(interrupt));
  if (opened) opened->interrupt->rest();
  return opened;
}

}  // namespace tcpdwell
