// SPDX-License-Identifier: Apache-2.0
// Blocks that are used again, and given back when a stall is long over.
#include "sinks/block_pool.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

namespace tcpdwell {
namespace {

using Memory = BlockPool::Memory;

std::vector<Memory> take(BlockPool& pool, std::size_t count) {
  std::vector<Memory> taken;
  for (std::size_t i = 0; i < count; ++i) taken.push_back(pool.take());
  return taken;
}

void give(BlockPool& pool, std::vector<Memory> taken) {
  for (Memory& memory : taken) pool.give(std::move(memory));
}

TEST(BlockPool, TheLastOneGivenIsTheNextOneTaken) {
  BlockPool pool;
  Memory first = pool.take(), second = pool.take();
  const char* const last = first.get();
  pool.give(std::move(second));
  pool.give(std::move(first));
  EXPECT_EQ(pool.take().get(), last) << "it is likely in the cache";
}

TEST(BlockPool, DoesNotGrowWhereBlocksComeBack) {
  BlockPool pool;
  for (int i = 0; i < 1'000; ++i) give(pool, take(pool, 3));
  EXPECT_EQ(pool.blocks(), 3U);
}

TEST(BlockPool, ABlockThatWasMadeHasItsPages) {
  BlockPool pool;
  const Memory memory = pool.take();
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident(BlockPool::kBlock / page);
  ASSERT_EQ(::mincore(memory.get(), BlockPool::kBlock, resident.data()), 0);
  for (const unsigned char flags : resident)
    EXPECT_EQ(flags & 1U, 1U) << "the loop would take a page fault for it";
}

TEST(BlockPool, WhatAStallNeededIsKeptForAPeriodAndNotForTwo) {
  BlockPool pool;
  give(pool, take(pool, 100));
  EXPECT_TRUE(pool.take_surplus().empty()) << "it was needed in this period";
  EXPECT_TRUE(pool.take_surplus().empty()) << "... in the one before";
  EXPECT_EQ(pool.take_surplus().size(), 100 - BlockPool::kLeast);
  EXPECT_EQ(pool.blocks(), BlockPool::kLeast);
  EXPECT_TRUE(pool.take_surplus().empty());
}

TEST(BlockPool, StallsThatComeAgainFindTheirBlocks) {
  BlockPool pool;
  for (int period = 0; period < 20; ++period) {
    if (period % 2 == 0) give(pool, take(pool, 100));
    EXPECT_TRUE(pool.take_surplus().empty());
  }
  EXPECT_EQ(pool.blocks(), 100U);
}

TEST(BlockPool, BlocksInUseAreNotSurplus) {
  BlockPool pool;
  give(pool, take(pool, 100));
  auto in_use = take(pool, 90);
  for (int period = 0; period < 3; ++period) pool.take_surplus();
  EXPECT_EQ(pool.blocks(), 90U);
  give(pool, std::move(in_use));
  EXPECT_EQ(pool.blocks(), 90U) << "until a period has passed without them";
}

TEST(BlockPool, TheOldestAreGivenBack) {
  BlockPool pool;
  auto taken = take(pool, BlockPool::kLeast + 1);
  const char* const oldest = taken.front().get();
  give(pool, std::move(taken));
  pool.take_surplus();
  pool.take_surplus();
  const auto surplus = pool.take_surplus();
  ASSERT_EQ(surplus.size(), 1U);
  EXPECT_EQ(surplus.front().get(), oldest);
}

}  // namespace
}  // namespace tcpdwell
