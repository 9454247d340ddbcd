// SPDX-License-Identifier: Apache-2.0
// A BPF ring buffer in plain memory. Bytes are stored twice, since the kernel maps the data pages
// twice.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "kernel/ring_cursor.h"

namespace tcpdwell {

class FakeRing {
 public:
  static constexpr std::uint32_t kBusy = 1U << 31U;
  static constexpr std::uint32_t kDiscarded = 1U << 30U;

  explicit FakeRing(std::size_t size) : size_(size), data_(2 * size / sizeof(std::uint64_t)) {}

  RingCursor::Memory memory() {
    return {.consumer = &consumer, .producer = &producer, .data = bytes(), .size = size_};
  }
  // Like bpf_ringbuf_reserve(), but without its lock: one caller at a time. False: full.
  bool reserve(std::size_t length, std::size_t& at) {
    const auto end = std::atomic_ref(consumer).load(std::memory_order_acquire);
    const std::size_t room = (length + 8 + 7) / 8 * 8;
    if (producer + room - end > size_ - 1) return false;
    at = producer;
    set_header(at, static_cast<std::uint32_t>(length) | kBusy);
    std::atomic_ref(producer).store(producer + room, std::memory_order_release);
    return true;
  }
  // Returns the offset of the record's header.
  std::size_t put(std::string_view record, std::uint32_t flags = 0) {
    const std::size_t at = producer;
    set_header(at, static_cast<std::uint32_t>(record.size()) | flags);
    fill(at, record);
    producer += (record.size() + 8 + 7) / 8 * 8;
    return at;
  }
  void fill(std::size_t at, std::string_view record) {
    for (std::size_t i = 0; i < record.size(); ++i)
      set(at + 8 + i, static_cast<std::byte>(record[i]));
  }
  void set_header(std::size_t at, std::uint32_t length) {
    for (std::size_t copy : {at % size_, at % size_ + size_}) {
      auto* header = reinterpret_cast<std::uint32_t*>(bytes() + copy);
      std::atomic_ref(*header).store(length, std::memory_order_release);
    }
  }

  RingCursor::Position consumer = 0, producer = 0;

 private:
  std::byte* bytes() { return reinterpret_cast<std::byte*>(data_.data()); }
  void set(std::size_t at, std::byte value) {
    bytes()[at % size_] = value;
    bytes()[at % size_ + size_] = value;
  }
  std::size_t size_;
  std::vector<std::uint64_t> data_;
};

}  // namespace tcpdwell
