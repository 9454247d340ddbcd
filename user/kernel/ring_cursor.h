// SPDX-License-Identifier: Apache-2.0
// The consumer's position in the memory of one BPF ring buffer. Knows nothing of maps: a test gives
// it plain memory.
//
// Every record begins with a header of 8 bytes, whose first four are its length and two flags, and
// takes a multiple of 8 bytes. Positions only grow; the data is mapped twice in a row, so that no
// record is broken by the end. A producer reads the consumer's position, under its lock, whenever
// it takes room: each time we write it, that line goes from CPU to CPU. So it is written once for
// many records.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tcpdwell {

enum class Drained {
  All,       // what had been submitted when the drain ended was handed over
  UpToBusy,  // up to a record that a CPU is still writing: what comes after it is not known
  Batch,     // as many as were asked for
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

  // Hands over up to `most` records, and takes them off `most`. `until`: not beyond this position,
  // which must lie between position() and producer_position(); nullopt: as far as there is
  // anything.
  template <typename Handle>
  Drained drain(int& most, std::optional<Position> until, Handle&& handle) {
    Position published = at_;
    const Drained drained = walk(most, until, published, handle);
    if (at_ != published) publish();
    return drained;
  }

  Position position() const { return at_; }
  // Where the next record that a producer reserves will begin.
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

  // The producer submits by taking kBusy away: what it wrote before is there then.
  static std::uint32_t load_length(const std::byte* header) {
    auto* length = reinterpret_cast<std::uint32_t*>(const_cast<std::byte*>(header));
    return std::atomic_ref<std::uint32_t>(*length).load(std::memory_order_acquire);
  }

  // The room is the producers' again only when we have read all that is in it.
  void publish() {
    std::atomic_ref<Position>(*memory_.consumer).store(at_, std::memory_order_release);
  }

  Memory memory_;
  std::size_t publish_every_ = 0;
  Position at_ = 0;
};

}  // namespace tcpdwell
