// SPDX-License-Identifier: Apache-2.0
// Blocks of memory that are made once and used again, last in, first out: the next one to be filled
// is the one that was written last, and likely still in the cache. Not thread safe.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace tcpdwell {

class BlockPool {
 public:
  static constexpr std::size_t kBlock = 64U << 10U;
  static constexpr std::size_t kLeast = 16;  // blocks that are never given back

  // Mapped, not from the heap: the heap would keep a block below one that is still in use. All
  // pages are there when it is made.
  struct Unmap {
    void operator()(char* memory) const;
  };
  using Memory = std::unique_ptr<char[], Unmap>;

  // `expected`: so many blocks are made without another allocation here.
  explicit BlockPool(std::size_t expected = kLeast) { free_.reserve(expected); }
  // Throws std::bad_alloc if the system has no memory.
  Memory take();
  void give(Memory memory);
  std::size_t blocks() const { return blocks_; }  // free ones, too

  // Call it once a period. The free blocks that neither this period nor the one before needed: the
  // caller unmaps them, as it takes time. A stall that comes back within a period finds its pages.
  std::vector<Memory> take_surplus();

 private:
  std::vector<Memory> free_;  // the last one is taken first
  std::size_t blocks_ = 0;
  std::size_t peak_ = 0, peak_before_ = 0;  // blocks in use at the same time
};

}  // namespace tcpdwell
