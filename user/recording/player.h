// SPDX-License-Identifier: Apache-2.0
// Feeds a recording into an EventPipeline, from the beginning or from the oldest part that is left.
//
// A recorded answer of the kernel goes to the connection that asked for it. If the replay's table
// is equal to the recorded one, the id finds that connection. Otherwise (with a filter added, or a
// part or frame missing) Lifecycle::retarget_answer() finds it, by Questions::Subject.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/event_pipeline.h"
#include "recording/entries.h"
#include "recording/reader.h"
#include "recording/setting.h"
#include "util/result.h"

namespace tcpdwell::recording {

class Player {
 public:
  // The parts of one run, oldest first; at least one. Errors: no part has a readable beginning.
  static Result<std::unique_ptr<Player>> open(std::vector<Reader> parts);

  // The table of the replay must be made with this. Its filter may be stricter.
  const Setting& setting() const { return setting_; }
  // True if earlier parts are missing.
  bool begins_late() const { return first_ != 0 || parts_.front().header().part != 0; }

  // `pipeline` feeds `lifecycle`. `same`: `lifecycle` was made with setting() and no further
  // filter. `enough`: called at every tick; true ends the replay. May be empty.
  void begin(EventPipeline& pipeline, Lifecycle& lifecycle, bool same,
             std::function<bool()> enough = {});
  // Plays the next frame. Returns false after the last one, when the pipeline has its Finished.
  Result<bool> step();
  // `pause` is called at every tick; step() returns early once it is true, and the next step()
  // goes on from there. Empty: never.
  void pause_when(std::function<bool(Nanos)> pause) { pause_ = std::move(pause); }
  bool paused() const { return paused_; }           // the last step() returned early
  Nanos now() const { return now_; }                // of the last tick
  std::uint64_t events() const { return events_; }  // before the present frame
  bool ended() const { return ended_; }
  // Ends the replay here.
  void stop() { finish(false); }

  std::uint64_t damaged() const { return damaged_; }  // frames
  bool truncated() const { return truncated_; }       // the recording lacks the end of the run
  bool reached_max_size() const { return full_; }     // the recorder stopped at --max-size

 private:
  explicit Player(std::vector<Reader> parts) : parts_(std::move(parts)) {}
  Result<bool> next_frame();
  void play(const Frame& frame);
  bool play_rest();
  void play(const EntryHeader& header, std::span<const std::byte> bytes);
  void play(UserEventReader::Read read);
  void add_loss(std::uint64_t events, std::uint64_t transitions);
  bool pass_time(const UserEvent& event);
  void finish(bool truncated);

  std::vector<Reader> parts_;
  std::size_t part_ = 0, first_ = 0;  // the present part, and the part that the replay began with
  Setting setting_;
  std::optional<Frame> frame_;
  // Of a frame that was begun and is not complete.
  std::optional<std::span<const std::byte>> rest_;
  std::function<bool(Nanos)> pause_;
  bool paused_ = false;
  UserEventReader user_events_;
  EventPipeline* pipeline_ = nullptr;
  Lifecycle* lifecycle_ = nullptr;
  bool same_ = true;
  bool walking_ = false;  // between SnapshotBegan and SnapshotOver
  std::function<bool()> enough_;
  std::uint64_t events_ = 0, transitions_ = 0;  // so far, including missed ones
  std::uint64_t damaged_ = 0, damage_known_ = 0, damage_told_ = 0;
  std::uint32_t number_ = 0;  // of the next frame
  Nanos now_{};
  bool ended_ = false, truncated_ = false, full_ = false;
};

}  // namespace tcpdwell::recording
