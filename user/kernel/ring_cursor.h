// SPDX-License-Identifier: Apache-2.0
// The consumer's position in one BPF ring buffer. Works on plain memory, so that a test needs no
// map.
// A record has a header of 8 bytes, whose first four are its length and two flags, and a size of a
// multiple of 8 bytes. Positions only grow; the data is mapped twice in a row, so that records are
// contiguous. A producer reads the consumer's position, under its lock, at every reservation: each
// write moves that cache line between CPUs. So the position is written once for many records.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tcpdwell {

enum class Drained {
  All,       // all submitted records were handled
  UpToBusy,  // stopped at a record that a CPU is still writing
  Batch,     // the requested number of records
};

class RingCursor {
 public:
  using Position = unsigned long;  // as the kernel has it
  struct Memory {
    Position* consumer = nullptr;
    const Position* producer = nullptr;
    const std::byte* data = nullptr;  // twice `size` bytes
    std::size_t size = 0;             // a power of two
  };

  RingCursor() = default;
  explicit RingCursor(const Memory& memory)
      : memory_(memory), publish_every_(std::min<std::size_t>(memory.size / 8, 64U << 10U)) {
    at_ = *memory.consumer;  // only we write it
  }

  // Handles up to `most` records and subtracts them from `most`. `until`: stop at this position,
  // which must lie between position() and producer_position(); nullopt: no such limit.
  template <typename Handle>
  Drained drain(int& most, std::optional<Position> until, Handle&& handle) {
    Position published = at_;
    const Drained drained = walk(most, until, published, handle);
    if (at_ != published) publish();
    return drained;
  }

  Position position() const { return at_; }
  // The position of the next reservation.
  Position producer_position() const {
    return std::atomic_ref<Position>(const_cast<Position&>(*memory_.producer))
        .load(std::memory_order_seq_cst);
  }
  std::size_t size() const { return memory_.size; }

 private:
  static constexpr std::uint32_t kBusy = 1U << 31U;
  static constexpr std::uint32_t kDiscarded = 1U << 30U;
  static constexpr std::size_t kHeader = 8;

  template <typename Handle>
  Drained walk(int& most, std::optional<Position> until, Position& published, Handle& handle) {
    while (true) {
      const Position end = until ? *until : producer_position();
      if (at_ == end) return Drained::All;
      while (at_ != end) {
        if (most == 0) return Drained::Batch;
        const std::byte* header = memory_.data + (at_ & (memory_.size - 1));
        const std::uint32_t length = load_length(header);
        if ((length & kBusy) != 0) return Drained::UpToBusy;
        const std::uint32_t size = length & ~(kBusy | kDiscarded);
        if ((length & kDiscarded) == 0) handle(std::span(header + kHeader, size));
        at_ += (size + kHeader + 7U) & ~std::size_t{7};
        --most;
        if (at_ - published >= publish_every_) {
          publish();
          published = at_;
        }
      }
    }
  }

  // The producer submits by clearing kBusy, with release semantics.
  static std::uint32_t load_length(const std::byte* header) {
    auto* length = reinterpret_cast<std::uint32_t*>(const_cast<std::byte*>(header));
    return std::atomic_ref<std::uint32_t>(*length).load(std::memory_order_acquire);
  }

  // Release the room to the producers only after all reads.
  void publish() {
    std::atomic_ref<Position>(*memory_.consumer).store(at_, std::memory_order_release);
  }

  Memory memory_;
  std::size_t publish_every_ = 0;
  Position at_ = 0;
};

}  // namespace tcpdwell
