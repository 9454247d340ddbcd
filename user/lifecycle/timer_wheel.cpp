// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/timer_wheel.h"

#include <algorithm>

namespace tcpdwell {

TimerWheel::Handle TimerWheel::schedule(Handle before, Id id, Nanos deadline) {
  const Handle handle = before != 0 ? before : nodes_.create();
  if (before != 0) unlink(before);
  // The first tick that ends at or after the deadline; at the earliest the next one.
  const Nanos at = std::max(deadline, Nanos{0});
  nodes_[handle].id = id;
  nodes_[handle].tick = std::max(tick_before(at + kTick - Nanos{1}), now_ + 1);
  link(handle);
  return handle;
}

void TimerWheel::cancel(Handle handle) {
  if (handle == 0) return;
  unlink(handle);
  nodes_.give_up(handle);
}

// Uses the finest level whose range includes the deadline. A deadline beyond the last level waits
// there, and is linked again when its slot comes around.
void TimerWheel::link(Handle handle) {
  Node& node = nodes_[handle];
  const std::uint64_t away = std::min(node.tick - now_, kMostTicks);
  unsigned level = 0;
  while (away >> (kBits * (level + 1)) != 0) ++level;
  const std::uint64_t tick = now_ + away;
  const auto index = static_cast<std::uint16_t>(tick >> (kBits * level) & (kSlots - 1));
  node.slot = static_cast<std::uint16_t>(level * kSlots + index);
  node.previous = 0;
  node.next = heads_[node.slot];
  if (node.next != 0) nodes_[node.next].previous = handle;
  heads_[node.slot] = handle;
  ++on_level_[level];
  ++size_;
}

void TimerWheel::unlink(Handle handle) {
  const Node& node = nodes_[handle];
  (node.previous == 0 ? heads_[node.slot] : nodes_[node.previous].next) = node.next;
  if (node.next != 0) nodes_[node.next].previous = node.previous;
  --on_level_[node.slot / kSlots];
  --size_;
}

// A deadline on a level can move only when the levels below it wrap around.
void TimerWheel::skip(std::uint64_t until) {
  unsigned level = 0;
  while (on_level_[level] == 0) ++level;
  const std::uint64_t around = (std::uint64_t{1} << (kBits * level)) - 1;
  now_ = std::min(now_ | around, until);
}

void TimerWheel::step() {
  ++now_;
  for (unsigned level = 1; level < kLevels; ++level) {
    if ((now_ & ((std::uint64_t{1} << (kBits * level)) - 1)) != 0) return;
    cascade(level);
  }
}

// Moves the deadlines of the present slot of a level to finer levels.
void TimerWheel::cascade(unsigned level) {
  const auto index = static_cast<std::size_t>(now_ >> (kBits * level) & (kSlots - 1));
  Handle handle = heads_[level * kSlots + index];
  while (handle != 0) {
    const Handle next = nodes_[handle].next;
    unlink(handle);
    link(handle);
    handle = next;
  }
}

std::optional<Nanos> TimerWheel::next_within(Nanos horizon) const {
  if (size_ == 0) return std::nullopt;
  const auto most = std::min<std::uint64_t>(tick_before(horizon), kSlots - 1);
  for (std::uint64_t tick = now_ + 1; tick <= now_ + most; ++tick) {
    const bool wraps = (tick & (kSlots - 1)) == 0;  // deadlines due then may still be on level 1
    if (wraps || heads_[tick & (kSlots - 1)] != 0)
      return Nanos{static_cast<std::int64_t>(tick << kTickShift)};
  }
  return std::nullopt;
}

}  // namespace tcpdwell
