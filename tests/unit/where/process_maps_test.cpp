// SPDX-License-Identifier: Apache-2.0
#include "where/process_maps.h"

#include <gtest/gtest.h>

namespace tcpdwell {
namespace {

constexpr std::string_view kMaps =
    "00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/a program (deleted)\n"
    "00e03000-00e24000 rw-p 00000000 00:00 0           [heap]\n"
    "7f0000000000-7f0000001000 rwxp 00000000 00:00 0 \n"
    "7f0000002000-7f0000003000 r--s 00002000 fe:01 18446744073709551615 /x\n";

TEST(ProcessMaps, KeepsWhatTheKernelWrites) {
  const auto maps = parse_maps(kMaps);
  ASSERT_EQ(maps.size(), 4U);
  EXPECT_EQ(maps[0], (Mapping{.start = 0x400000,
                              .end = 0x452000,
                              .offset = 0x1000,
                              .device_major = 8,
                              .device_minor = 2,
                              .inode = 173521,
                              .executable = true,
                              .shared = false,
                              .path = "/usr/bin/a program (deleted)"}));
  EXPECT_FALSE(maps[1].is_file());
  EXPECT_EQ(maps[1].path, "[heap]");
  EXPECT_TRUE(maps[2].executable);
  EXPECT_EQ(maps[2].path, "");
  EXPECT_TRUE(maps[3].shared);
  EXPECT_EQ(maps[3].inode, 18446744073709551615U);
}

TEST(ProcessMaps, FindsTheMappingOfAnAddress) {
  const auto maps = parse_maps(kMaps);
  EXPECT_EQ(find_mapping(maps, 0x3fffff), nullptr);
  EXPECT_EQ(find_mapping(maps, 0x400000), &maps[0]);
  EXPECT_EQ(find_mapping(maps, 0x451fff), &maps[0]);
  EXPECT_EQ(find_mapping(maps, 0x452000), nullptr);
  EXPECT_EQ(find_mapping(maps, 0x7f0000002000), &maps[3]);
  EXPECT_EQ(find_mapping(maps, ~0ULL), nullptr);
}

TEST(ProcessMaps, SkipsWhatIsDamaged) {
  EXPECT_TRUE(parse_maps("").empty());
  EXPECT_TRUE(parse_maps("00400000-00452000 r-xp 00001000 08:02 1 /cut off").empty());
  EXPECT_TRUE(parse_maps("00452000-00400000 r-xp 0 08:02 1 /backwards\n").empty());
  EXPECT_TRUE(parse_maps("zz-00452000 r-xp 0 08:02 1 /x\n-\n\n00400000\n").empty());
  const auto maps = parse_maps(
      "00400000-00401000 r-xp 0 08:02 1 /a\nnoise\n00400800-00402000 r-xp 0 08:02 1 /overlaps\n");
  ASSERT_EQ(maps.size(), 1U);
  EXPECT_EQ(maps[0].path, "/a");
}

TEST(ProcessMaps, AreBounded) {
  std::string text;
  for (std::uint64_t i = 0; i < kMostMappings + 10; ++i) {
    char line[64];
    std::snprintf(line, sizeof line, "%lx-%lx r-xp 0 08:02 1 /a\n", i * 4096 + 4096,
                  i * 4096 + 8192);
    text += line;
  }
  EXPECT_EQ(parse_maps(text).size(), kMostMappings);
}

}  // namespace
}  // namespace tcpdwell
