// SPDX-License-Identifier: Apache-2.0
// A pool of memory blocks, reused last in, first out: the next block to fill was written last and
// is likely still in the cache. Not thread safe.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace tcpdwell {

class BlockPool {
 public:
  static constexpr std::size_t kBlock = 64U << 10U;
  static constexpr std::size_t kLeast = 16;  // blocks that are always kept

  // Mapped, not from the heap, which would keep a free block below one in use. All pages are
  // populated at once.
  struct Unmap {
    void operator()(char* memory) const;
  };
  using Memory = std::unique_ptr<char[], Unmap>;

  // `expected`: number of blocks that need no further allocation here.
  explicit BlockPool(std::size_t expected = kLeast) { free_.reserve(expected); }
  // Throws std::bad_alloc if the system has no memory.
  Memory take();
  void give(Memory memory);
  std::size_t blocks() const { return blocks_; }  // including free ones

  // Call it once a period. Returns the free blocks that neither this period nor the one before
  // needed; the caller unmaps them, which takes time. A stall that recurs within a period finds its
  // pages.
  std::vector<Memory> take_surplus();

 private:
  std::vector<Memory> free_;  // taken from the back
  std::size_t blocks_ = 0;
  std::size_t peak_ = 0, peak_before_ = 0;  // blocks in use at the same time
};

}  // namespace tcpdwell
