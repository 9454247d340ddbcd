// SPDX-License-Identifier: Apache-2.0
#include "sinks/block_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <utility>

namespace tcpdwell {

void BlockPool::Unmap::operator()(char* memory) const { ::munmap(memory, kBlock); }

BlockPool::Memory BlockPool::take() {
  const std::size_t in_use = blocks_ - free_.size() + 1;
  peak_ = std::max(peak_, in_use);
  if (!free_.empty()) {
    Memory memory = std::move(free_.back());
    free_.pop_back();
    return memory;
  }
  // Populated: one call costs much less than a fault for each page.
  void* const memory = ::mmap(nullptr, kBlock, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  ++blocks_;
  return Memory(static_cast<char*>(memory));
}

void BlockPool::give(Memory memory) { free_.push_back(std::move(memory)); }

std::vector<BlockPool::Memory> BlockPool::take_surplus() {
  const std::size_t in_use = blocks_ - free_.size();
  const std::size_t needed = std::max({peak_, peak_before_, kLeast});
  peak_before_ = std::exchange(peak_, in_use);
  std::vector<Memory> surplus;
  if (blocks_ <= needed) return surplus;
  // The oldest blocks, which are the least likely in the cache.
  const auto end = free_.begin() + static_cast<std::ptrdiff_t>(blocks_ - needed);
  surplus.assign(std::move_iterator(free_.begin()), std::move_iterator(end));
  free_.erase(free_.begin(), end);
  blocks_ = needed;
  return surplus;
}

}  // namespace tcpdwell
