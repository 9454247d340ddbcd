// SPDX-License-Identifier: Apache-2.0
// The consumer's side of two BPF ring buffers that form one stream of records: a small one that
// stays in the caches, and a large one for overflow. bpf/emit.bpf.h has the producers' side and
// explains why the order holds.
// `phase` (tcpdwell_shared.phase) counts: in even phases the first ring is in use, in odd ones the
// second. Producers begin an odd phase when the first ring is full. The consumer empties the ring
// of its phase up to its end at the start of the next phase, and then turns to the next ring. It
// begins an even phase itself, when the second ring is empty. Records that a producer discarded
// because the phase changed are skipped.
// Works on plain memory, so that a test needs no map.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#include "kernel/ring_cursor.h"
#include "tcpdwell/wire.h"

namespace tcpdwell {

class RingPair {
 public:
  using Position = RingCursor::Position;

  RingPair() = default;
  // All must outlive it. Unread records of an earlier consumer come first.
  RingPair(const RingCursor::Memory& first, const RingCursor::Memory& second, __u64& phase)
      : rings_{RingCursor(first), RingCursor(second)}, shared_phase_(&phase) {
    phase_ = number(load()) - 1;
    until_ = ring().producer_position();
  }

  template <typename Handle>
  Drained drain(int most, Handle&& handle) {
    while (true) {
      const Drained drained = ring().drain(most, until_, handle);
      if (drained != Drained::All) return drained;
      if (until_) {
        until_.reset();
        ++phase_;
      } else if (!find_next_phase()) {
        return Drained::All;
      }
    }
  }

  bool is_spilling() const { return is_odd(phase_) || is_odd(number(load())); }
  // Bytes of the first ring handled so far.
  Position position() const { return rings_[0].position(); }
  std::size_t first_size() const { return rings_[0].size(); }
  std::uint64_t spills() const { return spills_; }  // number of emptied odd phases

 private:
  using Number = std::uint16_t;
  static_assert(TCPDWELL_PHASE_BITS == 8 * sizeof(Number));

  static Number number(std::uint64_t word) { return static_cast<Number>(word); }
  static bool is_odd(Number phase) { return phase % 2 != 0; }
  RingCursor& ring() { return rings_[is_odd(phase_) ? 1 : 0]; }
  std::uint64_t load() const {
    return std::atomic_ref<__u64>(*shared_phase_).load(std::memory_order_seq_cst);
  }

  // Call it when the ring of this phase is empty. True: the phase is over, and `until_` is its end.
  bool find_next_phase() {
    if (!is_odd(phase_)) {
      if (number(load()) == phase_) return false;
      until_ = ring().producer_position();
      return true;
    }
    ++spills_;
    std::atomic_ref<__u64>(*shared_phase_)
        .store(static_cast<Number>(phase_ + 1), std::memory_order_seq_cst);
    until_ = ring().producer_position();
    // The first ring may be full again: records of the phase after the next are not part of this
    // one.
    const std::uint64_t word = load();
    if (number(word) != static_cast<Number>(phase_ + 1)) until_ = begin_of_spill(word);
    return true;
  }

  // The word has the lower bits of a position at or after ours.
  Position begin_of_spill(std::uint64_t word) {
    const Position at = ring().position();
    const Position mask = ~Position{0} >> TCPDWELL_PHASE_BITS;
    return at + (((word >> TCPDWELL_PHASE_BITS) - at) & mask);
  }

  std::array<RingCursor, 2> rings_;
  __u64* shared_phase_ = nullptr;
  Number phase_ = 0;               // the phase whose ring is being emptied
  std::optional<Position> until_;  // its end; nullopt: not over
  std::uint64_t spills_ = 0;
};

}  // namespace tcpdwell
