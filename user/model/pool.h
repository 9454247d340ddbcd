// SPDX-License-Identifier: Apache-2.0
// A pool of small objects of one type, identified by numbers. Objects are reused without the
// allocator, and their addresses are stable. No object has id 0, so a zeroed field refers to none.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace tcpdwell {

template <typename T>
class Pool {
 public:
  using Id = std::uint32_t;

  // The object still has the values of its last use. The caller resets what must be fresh.
  Id create() {
    if (!free_.empty()) {
      const Id id = free_.back();
      free_.pop_back();
      return id;
    }
    if (made_ % kChunk == 0) chunks_.push_back(std::make_unique<std::array<T, kChunk>>());
    return ++made_;
  }
  void give_up(Id id) { free_.push_back(id); }

  T& operator[](Id id) { return (*chunks_[(id - 1) / kChunk])[(id - 1) % kChunk]; }
  const T& operator[](Id id) const { return (*chunks_[(id - 1) / kChunk])[(id - 1) % kChunk]; }

 private:
  static constexpr std::size_t kChunk = 256;
  std::vector<std::unique_ptr<std::array<T, kChunk>>> chunks_;
  std::vector<Id> free_;
  Id made_ = 0;
};

}  // namespace tcpdwell
