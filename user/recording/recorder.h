// SPDX-License-Identifier: Apache-2.0
// Keeps a run: everything that its EventPipeline is told, in frames. Used on the thread that owns the EventPipeline;
// a helper thread compresses and writes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/event_pipeline.h"
#include "recording/file.h"
#include "recording/setting.h"
#include "util/result.h"

namespace tcpdwell::recording {

struct RecorderConfig {
  std::string path;
  bool compress = false;
  std::uint64_t max_size = 0;  // bytes of a file; 0: no limit
  unsigned keep = 0;           // older files (path.1 ...) beside it; 0: at max_size it is over
  FilePolicy policy;
};
inline constexpr std::uint64_t kLeastSize = 256U << 10U;  // that max_size can be

class Recorder final : public RunLog {
 public:
  static Result<std::unique_ptr<Recorder>> open(const RecorderConfig& config);
  ~Recorder() override { finish(); }

  // On the thread that writes, before anything else.
  void on_helper(std::function<void()> job) { file_->on_helper(std::move(job)); }
  // Call it before the EventPipeline is told anything.
  std::optional<Error> begin(const Setting& setting);
  void record(std::span<const std::byte> record) noexcept override;
  void user_event(const UserEvent& event, const Lifecycle& lifecycle) noexcept override;

  // Call it 20 times a second at least while it is pending(): what came goes to the disk.
  void flush(Nanos now);
  bool pending() const { return !entries_.empty(); }
  // Everything is on the disk, or error() says why not.
  void finish();
  // After the file was renamed (SIGHUP): goes on in a new one.
  void reopen(Nanos now);

  // Asks once: a new file has begun, and whoever has nothing but that needs to know which sockets
  // there were.
  bool wants_snapshot() { return std::exchange(wants_snapshot_, false); }
  bool full() const { return full_; }  // max_size was reached, nothing is recorded any more
  bool failed() const { return file_->failed(); }
  std::optional<Error> error() const { return file_->error(); }
  FileId file_id() const { return file_->id(); }
  std::uint64_t dropped() const { return dropped_; }  // frames that the disk was too slow for

 private:
  explicit Recorder(const RecorderConfig& config, std::unique_ptr<File> file);
  void put(Entry entry, std::span<const std::byte> bytes, std::uint8_t flags = 0);
  void close_frame();
  bool make_room(std::size_t size);
  void next_part(unsigned keep, Nanos now);
  void begin_part();
  void remember(const UserEvent& event);
  void repeat();

  const RecorderConfig config_;
  std::unique_ptr<File> file_;
  Setting setting_;
  std::uint64_t run_ = 0;
  std::uint32_t part_ = 0;
  std::vector<std::byte> entries_;  // of the frame that is being made
  Nanos since_{};                   // ... when that began
  Nanos now_{};                     // when it was flushed last
  bool only_ticks_ = true;
  std::uint64_t events_before_ = 0, transitions_before_ = 0;
  std::uint32_t events_ = 0, transitions_ = 0;  // in this frame
  std::uint64_t dropped_ = 0;
  bool full_ = false;
  bool wants_snapshot_ = false;
  bool repeating_ = false;
  Nanos stop_{Nanos::max()};  // what happened from then on is no event of the run
  std::uint32_t number_ = 0;  // of this frame
  // What a later part has to repeat.
  std::map<std::uint64_t, CgroupEvent> cgroups_;
  std::map<std::uint64_t, NamespaceEvent> namespaces_;
  std::optional<ClockEvent> clock_;
};

}  // namespace tcpdwell::recording
