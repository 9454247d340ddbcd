// SPDX-License-Identifier: Apache-2.0
#include "core/timer_wheel.h"

#include <algorithm>

namespace tcpdwell {

void TimerWheel::schedule(Id id, Nanos deadline) {
  if (id >= nodes_.size()) nodes_.resize(std::max<std::size_t>(id + 1, nodes_.size() * 2));
  if (nodes_[id].slot != kIdle) unlink(id);
  // The first tick that ends at or after the deadline; at the earliest the next one.
  const Nanos at = std::max(deadline, Nanos{0});
  nodes_[id].tick = std::max(tick_before(at + kTick - Nanos{1}), now_ + 1);
  link(id);
}

void TimerWheel::cancel(Id id) {
  if (id < nodes_.size() && nodes_[id].slot != kIdle) unlink(id);
}

// The level is the one whose slots tell its tick from now's; what lies beyond the last level waits
// there, and is sorted in again when it comes around.
void TimerWheel::link(Id id) {
  Node& node = nodes_[id];
  const std::uint64_t away = std::min(node.tick - now_, kMostTicks);
  unsigned level = 0;
  while (away >> (kBits * (level + 1)) != 0) ++level;
  const std::uint64_t tick = now_ + away;
  const auto index = static_cast<std::uint16_t>(tick >> (kBits * level) & (kSlots - 1));
  node.slot = static_cast<std::uint16_t>(level * kSlots + index);
  node.previous = kNone;
  node.next = heads_[node.slot];
  if (node.next != kNone) nodes_[node.next].previous = id;
  heads_[node.slot] = id;
  ++size_;
}

void TimerWheel::unlink(Id id) {
  Node& node = nodes_[id];
  (node.previous == kNone ? heads_[node.slot] : nodes_[node.previous].next) = node.next;
  if (node.next != kNone) nodes_[node.next].previous = node.previous;
  node.slot = kIdle;
  --size_;
}

void TimerWheel::step() {
  ++now_;
  for (unsigned level = 1; level < kLevels; ++level) {
    if ((now_ & ((std::uint64_t{1} << (kBits * level)) - 1)) != 0) return;
    cascade(level);
  }
}

// The slot's time has come on this level: each moves to a finer one.
void TimerWheel::cascade(unsigned level) {
  const auto index = static_cast<std::size_t>(now_ >> (kBits * level) & (kSlots - 1));
  Id id = heads_[level * kSlots + index];
  while (id != kNone) {
    const Id next = nodes_[id].next;
    unlink(id);
    link(id);
    id = next;
  }
}

TimerWheel::Id TimerWheel::pop_due() {
  const Id id = heads_[now_ & (kSlots - 1)];
  if (id != kNone) unlink(id);
  return id;
}

std::optional<Nanos> TimerWheel::next_within(Nanos horizon) const {
  if (size_ == 0) return std::nullopt;
  const auto most = std::min<std::uint64_t>(tick_before(horizon), kSlots - 1);
  for (std::uint64_t tick = now_ + 1; tick <= now_ + most; ++tick) {
    const bool wraps = (tick & (kSlots - 1)) == 0;  // what is due then may still be on level 1
    if (wraps || heads_[tick & (kSlots - 1)] != kNone)
      return Nanos{static_cast<std::int64_t>(tick << kTickShift)};
  }
  return std::nullopt;
}

}  // namespace tcpdwell
