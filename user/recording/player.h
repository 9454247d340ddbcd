// SPDX-License-Identifier: Apache-2.0
// Tells a EventPipeline what a recording has: from its beginning, or from where the oldest part of it that
// is left begins.
//
// An answer of the kernel goes to the connection that asked for it. Where the table is the very one
// that the recording was made with, by its id; where it is not (a filter was added, a part or a
// frame is missing) by what it is called, and since when it is in its state.
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
  // The parts of one run, the oldest first; one at least. Errors: it has no beginning.
  static Result<std::unique_ptr<Player>> open(std::vector<Reader> parts);

  // What its table is to be made with. To be shown may be less.
  const Setting& setting() const { return setting_; }
  // Earlier parts are gone.
  bool begins_late() const { return first_ != 0 || parts_.front().header().part != 0; }

  // `pipeline` feeds `lifecycle`. `same`: it was made with setting(), with no filter but its own.
  // `enough`: asked at every tick, true ends it there; may be empty.
  void begin(EventPipeline& pipeline, Lifecycle& lifecycle, bool same, std::function<bool()> enough = {});
  // The next frame. False: that was all, and the feed was told the end.
  Result<bool> step();
  // Nobody wants more of it: it ends here.
  void stop() { finish(false); }

  std::uint64_t damaged() const { return damaged_; }  // frames
  bool truncated() const { return truncated_; }       // the end of the run is not there
  bool reached_max_size() const { return full_; }     // ... since it was not to be recorded

 private:
  explicit Player(std::vector<Reader> parts) : parts_(std::move(parts)) {}
  Result<bool> next_frame();
  void play(const Frame& frame);
  void play(const EntryHeader& header, std::span<const std::byte> bytes);
  void play(UserEventReader::Read read);
  void add_loss(std::uint64_t events, std::uint64_t transitions);
  bool pass_time(const UserEvent& note);
  void finish(bool truncated);

  std::vector<Reader> parts_;
  std::size_t part_ = 0, first_ = 0;  // that is played, that was the first
  Setting setting_;
  std::optional<Frame> frame_;
  UserEventReader notes_;
  EventPipeline* pipeline_ = nullptr;
  Lifecycle* lifecycle_ = nullptr;
  bool same_ = true;
  bool walking_ = false;  // through all sockets: so far it was told
  std::function<bool()> enough_;
  std::uint64_t events_ = 0, transitions_ = 0;  // so far, with what was missed
  std::uint64_t damaged_ = 0, damage_known_ = 0, damage_told_ = 0;
  std::uint32_t number_ = 0;  // of the next frame
  Nanos now_{};
  bool ended_ = false, truncated_ = false, full_ = false;
};

}  // namespace tcpdwell::recording
