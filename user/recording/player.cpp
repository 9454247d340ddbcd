// SPDX-License-Identifier: Apache-2.0
#include "recording/player.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

namespace tcpdwell::recording {
namespace {

using namespace std::chrono_literals;

// A running trace ticks five times a second. The table's timer wheel takes every step between two
// ticks, so a damaged tick in the far future would take it very long.
constexpr Nanos kMostPause = 24h * 30;

// Takes the first entry off `entries`. nullopt: it is invalid. The checksum of a frame does not
// prove that its entries are valid.
struct TakenEntry {
  EntryHeader header;
  std::span<const std::byte> bytes;
};
std::optional<TakenEntry> take_entry(std::span<const std::byte>& entries) {
  TakenEntry entry;
  if (entries.size() < sizeof entry.header) return std::nullopt;
  std::memcpy(&entry.header, entries.data(), sizeof entry.header);
  const auto rest = entries.subspan(sizeof entry.header);
  if (rest.size() < entry.header.size) return std::nullopt;
  entry.bytes = rest.first(entry.header.size);
  entries = rest.subspan(entry.header.size);
  return entry;
}

// nullopt: this frame is not the first of a part.
std::optional<Setting> setting_of(std::span<const std::byte> entries) {
  EntryHeader header;
  if (entries.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, entries.data(), sizeof header);
  if (header.entry != Entry::Setting || header.size > entries.size() - sizeof header)
    return std::nullopt;
  return unpack_setting(entries.subspan(sizeof header, header.size));
}

}  // namespace

Result<std::unique_ptr<Player>> Player::open(std::vector<Reader> parts) {
  std::unique_ptr<Player> player(new Player(std::move(parts)));
  // If the first frame of a part is damaged, begin with the next part.
  std::optional<Setting> setting;
  do {
    const auto more = player->next_frame();
    if (!more) return more.error();
    if (player->frame_) setting = setting_of(player->frame_->entries);
  } while (!setting && player->frame_);
  if (!setting)
    return Error{"the first frame of the recording is damaged: it cannot be replayed", {}, {}};
  player->setting_ = std::move(*setting);
  player->now_ = player->setting_.config.began;
  player->events_ = player->frame_->events_before;
  player->transitions_ = player->frame_->transitions_before;
  player->number_ = player->frame_->number;
  player->first_ = player->part_;
  player->damage_told_ = player->damaged_;
  return player;
}

void Player::begin(EventPipeline& pipeline, Lifecycle& lifecycle, bool same,
                   std::function<bool()> enough) {
  pipeline_ = &pipeline;
  lifecycle_ = &lifecycle;
  enough_ = std::move(enough);
  same_ = same && !begins_late();
}

// Reads the next frame into frame_; false: there is none.
Result<bool> Player::next_frame() {
  frame_.reset();
  while (part_ < parts_.size()) {
    auto frame = parts_[part_].next();
    if (!frame) return frame.error();
    const std::uint64_t damaged = parts_[part_].damaged();
    damaged_ += damaged - std::exchange(damage_known_, damaged);
    if (*frame) {
      frame_ = *frame;
      return true;
    }
    ++part_;
    damage_known_ = 0;
  }
  return false;
}

Result<bool> Player::step() {
  if (!frame_ || ended_) {
    finish(true);
    return false;
  }
  paused_ = false;
  play(*frame_);
  if (paused_) return true;
  const std::uint64_t damaged = damaged_;
  if (const auto more = next_frame(); !more) return more.error();
  if (damaged != damaged_ && !frame_ && !ended_)  // no later frame has the number of lost events
    add_loss(parts_.back().events_known(), parts_.back().transitions_known());
  return true;
}

void Player::play(const Frame& frame) {
  if (!rest_) {
    if (frame.events_before > events_ || damaged_ != damage_told_ || frame.number != number_)
      add_loss(frame.events_before, frame.transitions_before);
    rest_ = frame.entries;
  }
  if (!play_rest()) return;
  rest_.reset();
  pipeline_->apply_batch();
  number_ = frame.number + 1;
  events_ = frame.events_before + frame.events;
  transitions_ = frame.transitions_before + frame.transitions;
}

// False: paused before the end of the frame.
bool Player::play_rest() {
  while (!rest_->empty()) {
    const auto entry = take_entry(*rest_);
    if (!entry) {
      user_events_.lost();
      return true;
    }
    play(entry->header, entry->bytes);
    if (paused_ && !rest_->empty()) return false;
  }
  paused_ = false;  // the frame is complete
  return true;
}

// The events between the last played frame and this event number are lost.
void Player::add_loss(std::uint64_t events, std::uint64_t transitions) {
  const std::uint64_t missed = events - std::min(events, events_);
  damage_told_ = damaged_;
  same_ = false;
  user_events_.lost();
  pipeline_->user_event(LossEvent{
      .at = now_,
      .cause = LossCause::Damaged,
      .events = missed,
      .transitions = std::min(missed, transitions - std::min(transitions, transitions_))});
  events_ = std::max(events, events_);
  transitions_ = std::max(transitions, transitions_);
}

void Player::play(const EntryHeader& header, std::span<const std::byte> bytes) {
  const bool repeated = (header.flags & kRepeated) != 0;
  if (ended_ || (repeated && !(begins_late() && part_ == first_))) return;
  if (header.entry == Entry::Kernel) return pipeline_->record(bytes);
  if (header.entry == Entry::Full) full_ = true;
  if (auto read = user_events_.read(header.entry, bytes)) play(std::move(*read));
}

void Player::play(UserEventReader::Read read) {
  if (!pass_time(read.event)) return;
  auto* answer = std::get_if<InquiryEvent>(&read.event);
  if (answer != nullptr && !same_) {
    pipeline_->apply_batch();
    if (!read.subject || !lifecycle_->retarget_answer(*answer, *read.subject)) return;
  }
  ended_ = std::holds_alternative<Finished>(read.event);
  // Ignore the end of a walk whose begin was lost: all connections would count as not found.
  if (std::holds_alternative<SnapshotOver>(read.event) && !std::exchange(walking_, false)) return;
  walking_ |= std::holds_alternative<SnapshotBegan>(read.event);
  pipeline_->user_event(read.event);
  // Drop the questions of the table: their answers are in the recording.
  lifecycle_->take_questions();
  lifecycle_->take_unknown_cgroups();
  lifecycle_->take_unknown_namespaces();
  if (!std::holds_alternative<Ticked>(read.event)) return;
  if (enough_ && enough_()) finish(false);
  paused_ = pause_ && !ended_ && pause_(now_);
}

// False: the event's time is invalid.
bool Player::pass_time(const UserEvent& event) {
  Nanos at = now_;
  if (const auto* tick = std::get_if<Ticked>(&event)) at = tick->at;
  if (const auto* ended = std::get_if<Finished>(&event)) at = ended->at;
  if (at > now_ + kMostPause) return false;
  now_ = std::max(now_, at);
  return true;
}

void Player::finish(bool truncated) {
  if (std::exchange(ended_, true)) return;
  truncated_ = truncated;
  const Nanos end = std::clamp(pipeline_->last_at(), now_, now_ + kMostPause);
  pipeline_->user_event(Finished{.at = end, .truncated = truncated});
}

}  // namespace tcpdwell::recording
