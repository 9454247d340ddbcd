// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <unistd.h>

#include "kernel/ring_reader.h"

namespace tcpdwell {
namespace {

const auto kPage = static_cast<std::uint32_t>(::sysconf(_SC_PAGESIZE));

TEST(RingSizes, BothTogetherAreWithinWhatWasAskedFor) {
  for (std::uint32_t total = 2 * kPage; total <= 1U << 30U; total *= 2) {
    const RingSizes sizes = divide_ring(total, true);
    EXPECT_TRUE(sizes.spills);
    EXPECT_LE(sizes.first + sizes.second, total);
    EXPECT_GE(sizes.first, kPage);
    EXPECT_GE(sizes.second, sizes.first);
    EXPECT_LE(sizes.first, 2U << 20U) << "it is to stay in the cache";
  }
}

TEST(RingSizes, APageIsOneRing) {
  const RingSizes sizes = divide_ring(kPage, true);
  EXPECT_FALSE(sizes.spills);
  EXPECT_EQ(sizes.first, kPage);
}

TEST(RingSizes, SoIsEverySizeWhereTheKernelCannotSpill) {
  const RingSizes sizes = divide_ring(16U << 20U, false);
  EXPECT_FALSE(sizes.spills);
  EXPECT_EQ(sizes.first, 16U << 20U);
}

}  // namespace
}  // namespace tcpdwell
