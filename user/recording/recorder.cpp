// SPDX-License-Identifier: Apache-2.0
#include "recording/recorder.h"

#include <cstring>
#include <random>
#include <utility>
#include <variant>

#include "recording/entries.h"
#include "tcpdwell/wire.h"

namespace tcpdwell::recording {
namespace {

using namespace std::chrono_literals;

// flush() comes at least every 50 ms, so a frame is written after at most 100 ms.
constexpr Nanos kMostAge = 50ms;
constexpr Nanos kMostTicking = 1s;  // for a frame with ticks only
constexpr std::size_t kMostKept = 65536;
// The size of the last frame, which contains Entry::Full.
constexpr std::size_t kLastFrame = sizeof(FrameHeader) + sizeof(EntryHeader);

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32U | device();
}

}  // namespace

Recorder::Recorder(const RecorderConfig& config, std::unique_ptr<File> file)
    : config_(config), file_(std::move(file)), run_(random_number()) {
  entries_.reserve(kMostFrame);
}

Result<std::unique_ptr<Recorder>> Recorder::open(const RecorderConfig& config) {
  auto file = File::open(config.path, config.compress, config.policy);
  if (!file) return file.error();
  return std::unique_ptr<Recorder>(new Recorder(config, std::move(*file)));
}

std::optional<Error> Recorder::begin(const Setting& setting) {
  std::vector<std::byte> bytes;
  pack(setting, bytes);
  if (bytes.size() > kMostEntry)
    return Error{"recording to " + config_.path + ": the filters are too long to be recorded",
                 {},
                 "Use fewer ports, addresses or pids"};
  setting_ = setting;
  now_ = setting.config.began;
  begin_part();
  close_frame();
  return std::nullopt;
}

void Recorder::begin_part() {
  FileHeader header{.wire_version = TCPDWELL_WIRE_VERSION, .run = run_, .part = part_};
  header.checksum = checksum_of(header);
  file_->begin(header);
  std::vector<std::byte> bytes;
  pack(setting_, bytes);
  put(Entry::Setting, bytes);
}

void Recorder::record(std::span<const std::byte> record) noexcept {
  put(Entry::Kernel, record);
  if (full_ || record.size() < sizeof(tcpdwell_head)) return;
  tcpdwell_head head;
  std::memcpy(&head, record.data(), sizeof head);
  if (head.at_ns >= static_cast<std::uint64_t>(stop_.count())) return;
  if (head.kind != TCPDWELL_SNAPSHOT) ++events_;
  if (head.kind == TCPDWELL_TRANSITION) ++transitions_;
}

void Recorder::user_event(const UserEvent& event, const Lifecycle& lifecycle) noexcept {
  remember(event);
  if (const auto* stopped = std::get_if<Stopped>(&event)) stop_ = stopped->at;
  if (const auto* stack = std::get_if<StackEvent>(&event)) write_stack(*stack);
  const bool tick = std::holds_alternative<Ticked>(event);
  const bool only_ticks = only_ticks_ && tick;
  pack(event, &lifecycle,
       [this](Entry entry, std::span<const std::byte> bytes) { put(entry, bytes); });
  if (tick) only_ticks_ = only_ticks;
}

void Recorder::remember(const UserEvent& event) {
  if (const auto* clock = std::get_if<ClockEvent>(&event)) clock_ = *clock;
  if (const auto* range = std::get_if<NamespaceEvent>(&event)) {
    if (namespaces_.size() >= kMostKept) namespaces_.erase(namespaces_.begin());
    namespaces_[range->netns_cookie] = *range;
  }
  if (const auto* cgroup = std::get_if<CgroupEvent>(&event)) {
    if (cgroups_.size() >= kMostKept) cgroups_.erase(cgroups_.begin());
    if (!cgroup->path.empty()) cgroups_[cgroup->id] = *cgroup;
  }
}

// Once in each part: its entry makes a part complete by itself.
void Recorder::write_stack(const StackEvent& event) {
  if (event.stack == nullptr || !stacks_.insert(event.number).second) return;
  std::vector<std::byte> bytes;
  Packer packer(bytes);
  put_numbered_stack(packer, event);
  put(Entry::Stack, bytes);
}

void Recorder::put(Entry entry, std::span<const std::byte> bytes, std::uint8_t flags) {
  if (full_ || file_->failed() || bytes.size() > kMostEntry) return;
  const std::size_t size = sizeof(EntryHeader) + bytes.size();
  if (entries_.size() + size > kMostFrame) close_frame();
  if (entries_.empty() && !make_room(size)) return;
  if (entries_.empty()) since_ = now_;
  only_ticks_ = false;
  if (repeating_) flags |= kRepeated;
  const EntryHeader header{static_cast<std::uint16_t>(bytes.size()), entry, flags};
  const auto head = std::as_bytes(std::span(&header, 1));
  entries_.insert(entries_.end(), head.begin(), head.end());
  entries_.insert(entries_.end(), bytes.begin(), bytes.end());
}

// Makes room for a full frame and for the last one with Entry::Full. False: there is none.
bool Recorder::make_room(std::size_t size) {
  const bool fits =
      config_.max_size == 0 || repeating_ ||
      file_->size() + sizeof(FrameHeader) + kMostFrame + kLastFrame <= config_.max_size;
  if (fits) return true;
  if (config_.keep > 0) {
    next_part(config_.keep, now_);
    return size <= kMostFrame;
  }
  full_ = true;
  const EntryHeader last{0, Entry::Full, 0};
  const auto bytes = std::as_bytes(std::span(&last, 1));
  entries_.assign(bytes.begin(), bytes.end());
  close_frame();
  return false;
}

void Recorder::close_frame() {
  if (entries_.empty()) return;
  const FrameHeader header{.events_before = events_before_,
                           .transitions_before = transitions_before_,
                           .events = events_,
                           .transitions = transitions_,
                           .number = number_++};
  std::vector<std::byte> frame;
  frame.reserve(kMostFrame);
  std::swap(frame, entries_);
  if (!file_->write(header, std::move(frame), repeating_ || header.number == 0)) ++dropped_;
  events_before_ += std::exchange(events_, 0);
  transitions_before_ += std::exchange(transitions_, 0);
  only_ticks_ = true;
}

void Recorder::next_part(unsigned keep, Nanos now) {
  file_->rotate(keep);
  ++part_;
  setting_.config.began = setting_.start.when.mono = now;
  repeating_ = true;
  stacks_.clear();
  begin_part();
  repeat();
  close_frame();
  repeating_ = false;
  wants_snapshot_ = true;
}

// A later part repeats the start of the run and what is known so far: port ranges and cgroup paths,
// newest (greatest) ids first, up to a quarter of max_size.
void Recorder::repeat() {
  const auto put_entry = [this](Entry entry, std::span<const std::byte> bytes) {
    put(entry, bytes);
  };
  const auto has_room = [this] {
    return config_.max_size == 0 || file_->size() + entries_.size() < config_.max_size / 4;
  };
  for (auto it = namespaces_.rbegin(); it != namespaces_.rend() && has_room(); ++it)
    pack(it->second, nullptr, put_entry);
  for (auto it = cgroups_.rbegin(); it != cgroups_.rend() && has_room(); ++it)
    pack(it->second, nullptr, put_entry);
  if (clock_) pack(*clock_, nullptr, put_entry);
  pack(Began{}, nullptr, put_entry);
}

void Recorder::flush(Nanos now) {
  now_ = now;
  if (!entries_.empty() && now - since_ >= (only_ticks_ ? kMostTicking : kMostAge)) close_frame();
}

void Recorder::reopen(Nanos now) {
  if (full_ || file_->failed() || !file_->was_renamed()) return;
  close_frame();
  next_part(0, now);
}

void Recorder::finish() {
  close_frame();
  file_->finish();
}

}  // namespace tcpdwell::recording
