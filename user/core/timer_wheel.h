// SPDX-License-Identifier: Apache-2.0
// One deadline an id, for millions of ids: a hierarchical timer wheel (Varghese and Lauck, scheme
// 7). Setting, moving and cancelling cost the same however many there are; nothing is ever scanned.
// A deadline fires at its tick or later, never before its time; kTick is the granularity.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/types.h"

namespace tcpdwell {

class TimerWheel {
 public:
  using Id = std::uint32_t;
  static constexpr unsigned kTickShift = 23;
  static constexpr Nanos kTick{std::int64_t{1} << kTickShift};  // 8.4 ms

  // `start`: no deadline is before it; an earlier one fires at the next advance().
  explicit TimerWheel(Nanos start) : now_(tick_before(start)) {}

  // In place of the one that `id` had.
  void schedule(Id id, Nanos deadline);
  void cancel(Id id);
  // Calls fire(id) for each that is due; it may schedule and cancel.
  template <typename Fn>
  void advance(Nanos now, Fn&& fire) {
    const std::uint64_t until = tick_before(now);
    while (now_ < until) {
      if (size_ == 0) {
        now_ = until;
        return;
      }
      step();
      for (Id id; (id = pop_due()) != kNone;) fire(id);
    }
  }
  // The next deadline, if it is at most `horizon` away (of what advance() was told last). Looks at
  // as many slots as there are ticks in it.
  std::optional<Nanos> next_within(Nanos horizon) const;
  std::size_t size() const { return size_; }

 private:
  static constexpr Id kNone = UINT32_MAX;
  static constexpr unsigned kBits = 8, kSlots = 1U << kBits, kLevels = 4;
  static constexpr std::uint64_t kMostTicks = (std::uint64_t{1} << (kBits * kLevels)) - 1;
  static constexpr std::uint16_t kIdle = UINT16_MAX;

  struct Node {
    std::uint64_t tick = 0;
    Id next = kNone, previous = kNone;
    std::uint16_t slot = kIdle;  // level * kSlots + index
  };

  static std::uint64_t tick_before(Nanos at) {
    return static_cast<std::uint64_t>(at.count()) >> kTickShift;
  }
  void link(Id id);
  void unlink(Id id);
  void step();
  void cascade(unsigned level);
  Id pop_due();

  std::uint64_t now_;  // the tick that was done last
  std::size_t size_ = 0;
  std::vector<Node> nodes_;  // by id
  std::array<Id, kSlots* kLevels> heads_ = filled_with_none();
  static constexpr std::array<Id, kSlots * kLevels> filled_with_none() {
    std::array<Id, kSlots * kLevels> heads{};
    heads.fill(kNone);
    return heads;
  }
};

}  // namespace tcpdwell
