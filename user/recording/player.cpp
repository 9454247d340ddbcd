// SPDX-License-Identifier: Apache-2.0
#include "recording/player.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

namespace tcpdwell::recording {
namespace {

using namespace std::chrono_literals;

// A trace that runs ticks five times a second. The table's clock takes every step of the time in
// between: a tick from the end of days would keep it busy until then.
constexpr Nanos kMostPause = 24h * 30;

// Calls work(EntryHeader, bytes) for each; false: rubbish is among them, and what was before it is
// done. A checksum only says that it is the rubbish that was written.
template <typename Work>
bool for_each_entry(std::span<const std::byte> entries, Work&& work) {
  while (!entries.empty()) {
    EntryHeader header;
    if (entries.size() < sizeof header) return false;
    std::memcpy(&header, entries.data(), sizeof header);
    entries = entries.subspan(sizeof header);
    if (entries.size() < header.size) return false;
    work(header, entries.first(header.size));
    entries = entries.subspan(header.size);
  }
  return true;
}

// nullopt: a part does not begin with this frame.
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
  // Where the first frame of a part is damaged, the next part has a beginning, too.
  std::optional<Setting> setting;
  do {
    const auto more = player->next_frame();
    if (!more) return more.error();
    if (player->frame_) setting = setting_of(player->frame_->entries);
  } while (!setting && player->frame_);
  if (!setting)
    return Error{"the recording has no beginning: nothing of it can be replayed", {}, {}};
  player->setting_ = std::move(*setting);
  player->now_ = player->setting_.config.began;
  player->events_ = player->frame_->events_before;
  player->transitions_ = player->frame_->transitions_before;
  player->number_ = player->frame_->number;
  player->first_ = player->part_;
  player->damage_told_ = player->damaged_;
  return player;
}

void Player::begin(EventPipeline& pipeline, Lifecycle& lifecycle, bool same, std::function<bool()> enough) {
  pipeline_ = &pipeline;
  lifecycle_ = &lifecycle;
  enough_ = std::move(enough);
  same_ = same && !begins_late();
}

// Into frame_; false: there is none.
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
  play(*frame_);
  const std::uint64_t damaged = damaged_;
  if (const auto more = next_frame(); !more) return more.error();
  if (damaged != damaged_ && !frame_ && !ended_)  // nobody says after it how much it was
    add_loss(parts_.back().events_known(), parts_.back().transitions_known());
  return true;
}

void Player::play(const Frame& frame) {
  if (frame.events_before > events_ || damaged_ != damage_told_ || frame.number != number_)
    add_loss(frame.events_before, frame.transitions_before);
  const bool whole = for_each_entry(
      frame.entries, [this](const EntryHeader& header, auto bytes) { play(header, bytes); });
  if (!whole) notes_.lost();
  pipeline_->apply_batch();
  number_ = frame.number + 1;
  events_ = frame.events_before + frame.events;
  transitions_ = frame.transitions_before + frame.transitions;
}

// What was to come before the event of this number did not.
void Player::add_loss(std::uint64_t events, std::uint64_t transitions) {
  const std::uint64_t missed = events - std::min(events, events_);
  damage_told_ = damaged_;
  same_ = false;
  notes_.lost();
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
  if (auto read = notes_.read(header.entry, bytes)) play(std::move(*read));
}

void Player::play(UserEventReader::Read read) {
  if (!pass_time(read.note)) return;
  auto* answer = std::get_if<InquiryEvent>(&read.note);
  if (answer != nullptr && !same_) {
    pipeline_->apply_batch();
    if (!read.subject || !lifecycle_->retarget_answer(*answer, *read.subject)) return;
  }
  ended_ = std::holds_alternative<Finished>(read.note);
  // The end of a walk whose beginning was lost would have everything looked for.
  if (std::holds_alternative<SnapshotOver>(read.note) && !std::exchange(walking_, false)) return;
  walking_ |= std::holds_alternative<SnapshotBegan>(read.note);
  pipeline_->user_event(read.note);
  // The answers are in the recording.
  lifecycle_->take_questions();
  lifecycle_->take_unknown_cgroups();
  lifecycle_->take_unknown_namespaces();
  if (enough_ && std::holds_alternative<Ticked>(read.note) && enough_()) finish(false);
}

// False: there was no such time.
bool Player::pass_time(const UserEvent& note) {
  Nanos at = now_;
  if (const auto* tick = std::get_if<Ticked>(&note)) at = tick->at;
  if (const auto* ended = std::get_if<Finished>(&note)) at = ended->at;
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
