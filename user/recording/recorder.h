// SPDX-License-Identifier: Apache-2.0
// Records the whole input of an EventPipeline, in frames. Use it on the pipeline's thread; a helper
// thread compresses and writes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
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
  unsigned keep = 0;           // how many older files (path.1 ...) to keep; 0: stop at max_size
  FilePolicy policy;
};
inline constexpr std::uint64_t kLeastSize = 256U << 10U;  // minimum of max_size

class Recorder final : public RunLog {
 public:
  static Result<std::unique_ptr<Recorder>> open(const RecorderConfig& config);
  ~Recorder() override { finish(); }

  // Runs `job` on the helper thread. Call it before begin().
  void on_helper(std::function<void()> job) { file_->on_helper(std::move(job)); }
  // Call it before the first input of the pipeline.
  std::optional<Error> begin(const Setting& setting);
  void record(std::span<const std::byte> record) noexcept override;
  void user_event(const UserEvent& event, const Lifecycle& lifecycle) noexcept override;

  // Hands old frames to the helper thread. Call it at least 20 times a second while pending().
  void flush(Nanos now);
  bool pending() const { return !entries_.empty(); }
  // Writes everything; check error() afterwards.
  void finish();
  // Continues in a new file if the present one was renamed (SIGHUP).
  void reopen(Nanos now);

  // True once after a new file has begun: take a snapshot, so that the file can be replayed alone.
  bool wants_snapshot() { return std::exchange(wants_snapshot_, false); }
  bool full() const { return full_; }  // max_size was reached; recording has stopped
  bool failed() const { return file_->failed(); }
  std::optional<Error> error() const { return file_->error(); }
  std::uint64_t size() const { return file_->size(); }  // of the present file; an upper bound
  FileId file_id() const { return file_->id(); }
  std::uint64_t dropped() const { return dropped_; }  // frames dropped because the disk is too slow

 private:
  explicit Recorder(const RecorderConfig& config, std::unique_ptr<File> file);
  void put(Entry entry, std::span<const std::byte> bytes, std::uint8_t flags = 0);
  void close_frame();
  bool make_room(std::size_t size);
  void next_part(unsigned keep, Nanos now);
  void begin_part();
  void remember(const UserEvent& event);
  void write_stack(const StackEvent& event);
  void repeat();

  const RecorderConfig config_;
  std::unique_ptr<File> file_;
  Setting setting_;
  std::uint64_t run_ = 0;
  std::uint32_t part_ = 0;
  std::vector<std::byte> entries_;  // of the present frame
  Nanos since_{};                   // start of the present frame
  Nanos now_{};                     // time of the last flush()
  bool only_ticks_ = true;
  std::uint64_t events_before_ = 0, transitions_before_ = 0;
  std::uint32_t events_ = 0, transitions_ = 0;  // in this frame
  std::uint64_t dropped_ = 0;
  bool full_ = false;
  bool wants_snapshot_ = false;
  bool repeating_ = false;
  Nanos stop_{Nanos::max()};  // do not count events from then on
  std::uint32_t number_ = 0;  // of the present frame
  // Repeated at the start of each later part.
  std::map<std::uint64_t, CgroupEvent> cgroups_;
  std::map<std::uint64_t, NamespaceEvent> namespaces_;
  std::optional<ClockEvent> clock_;
  std::set<std::uint32_t> stacks_;  // numbers of those that this part has
};

}  // namespace tcpdwell::recording
