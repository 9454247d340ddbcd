// SPDX-License-Identifier: Apache-2.0
// Deadlines for millions of ids: a hierarchical timer wheel (Varghese and Lauck, scheme 7).
// schedule() and cancel() take constant time. An id without a deadline costs nothing. A deadline
// never fires early; the granularity is kTick.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "model/pool.h"
#include "model/types.h"

namespace tcpdwell {

class TimerWheel {
 public:
  using Id = std::uint32_t;      // chosen by the caller
  using Handle = std::uint32_t;  // valid until the deadline fires or is cancelled; 0: none
  static constexpr unsigned kTickShift = 23;
  static constexpr Nanos kTick{std::int64_t{1} << kTickShift};  // 8.4 ms

  // A deadline before `start` fires at the next advance().
  explicit TimerWheel(Nanos start) : now_(tick_before(start)) {}

  // Replaces the deadline `before`, which may be 0.
  Handle schedule(Handle before, Id id, Nanos deadline);
  void cancel(Handle handle);  // may be 0
  // Calls fire(id) for each due deadline, whose handle is then invalid. fire() may call schedule()
  // and cancel().
  template <typename Fn>
  void advance(Nanos now, Fn&& fire) {
    const std::uint64_t until = tick_before(now);
    while (now_ < until) {
      if (size_ == 0) {
        now_ = until;
        return;
      }
      skip(until);
      if (now_ == until) return;
      step();
      while (const Handle due = heads_[now_ & (kSlots - 1)]) {
        const Id id = nodes_[due].id;
        cancel(due);
        fire(id);
      }
    }
  }
  // The next deadline, if it is at most `horizon` after the time of the last advance(). Costs one
  // step for each tick of the horizon.
  std::optional<Nanos> next_within(Nanos horizon) const;
  std::size_t size() const { return size_; }

 private:
  static constexpr unsigned kBits = 8, kSlots = 1U << kBits, kLevels = 4;
  static constexpr std::uint64_t kMostTicks = (std::uint64_t{1} << (kBits * kLevels)) - 1;

  struct Node {
    std::uint64_t tick = 0;
    Id id = 0;
    Handle next = 0, previous = 0;
    std::uint16_t slot = 0;  // level * kSlots + index
  };

  static std::uint64_t tick_before(Nanos at) {
    return static_cast<std::uint64_t>(at.count()) >> kTickShift;
  }
  void link(Handle handle);
  void unlink(Handle handle);
  void step();
  void cascade(unsigned level);

  std::uint64_t now_;  // the last processed tick
  // Advances now_ to just before the next tick at which a deadline can be due or move, or to
  // `until`.
  void skip(std::uint64_t until);

  std::size_t size_ = 0;
  std::array<std::size_t, kLevels> on_level_{};
  Pool<Node> nodes_;
  std::array<Handle, kSlots * kLevels> heads_{};
};

}  // namespace tcpdwell
