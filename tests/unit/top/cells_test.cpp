// SPDX-License-Identifier: Apache-2.0
// Cells: widths, cutting, wrapping.
#include "top/cells.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tcpdwell::top {
namespace {

using testing::ElementsAre;

TEST(Cells, PutsText) {
  Grid grid(6, 2);
  EXPECT_EQ(grid.put(1, 1, "abc"), 3);
  EXPECT_EQ(grid.text(), "\n abc\n");
  EXPECT_EQ(grid.put(6, 0, "outside"), 0);
  EXPECT_EQ(grid.put(0, 2, "outside"), 0);
}

TEST(Cells, CutsOffWithAnEllipsis) {
  Grid grid(8, 2);
  EXPECT_EQ(grid.put(0, 0, "abcdef", {}, 4), 4);
  EXPECT_EQ(grid.put(4, 1, "abcdef"), 4);
  EXPECT_EQ(grid.text(), "abc…\n    abc…\n");
}

TEST(Cells, WideCharactersTakeTwoCells) {
  Grid grid(7, 1);
  EXPECT_EQ(grid.put(0, 0, "日本語"), 6);
  EXPECT_EQ(grid.at(0, 0).width, 2);
  EXPECT_EQ(grid.at(1, 0).width, 0);
  EXPECT_EQ(grid.at(4, 0).text(), "語");
  Grid narrow(4, 1);
  EXPECT_EQ(narrow.put(0, 0, "日本語"), 3) << "half a character does not fit";
  EXPECT_EQ(narrow.text(), "日…\n");
}

TEST(Cells, CombiningCharactersShareACell) {
  Grid grid(4, 1);
  EXPECT_EQ(grid.put(0, 0, "e\xcc\x81x"), 2);
  EXPECT_EQ(grid.at(0, 0).text(), "e\xcc\x81");
  EXPECT_EQ(grid.at(1, 0).text(), "x");
  std::string many = "e";
  for (int i = 0; i < 100; ++i) many += "\xcc\x81";
  EXPECT_EQ(grid.put(0, 0, many), 1) << "a stack of marks is bounded";
  EXPECT_LE(grid.at(0, 0).size, Cell::kMost);
}

TEST(Cells, AsciiHasASpellingForOurSigns) {
  Grid grid(20, 1, true);
  grid.put(0, 0, "≥3s → 語…");
  EXPECT_EQ(grid.text(), ">=3s -> ??~\n");
}

TEST(Cells, AlignsRight) {
  Grid grid(8, 1);
  grid.put_right(1, 0, "12", 6);
  EXPECT_EQ(grid.text(), "     12\n");
}

TEST(Cells, FitsTheMiddle) {
  EXPECT_EQ(fit("abcdef", 6, 2), "abcdef");
  EXPECT_EQ(fit("[2001:db8::1]:443", 12, 5), "[2001:…]:443");
  EXPECT_EQ(fit("abcdef", 3, 9), "…ef") << "the tail leaves room for the ellipsis";
}

TEST(Cells, WrapsAtWords) {
  EXPECT_THAT(wrap("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(wrap("a bbbbbbbbb c", 4), ElementsAre("a", "bbbb", "bbbb", "b c"));
  EXPECT_THAT(wrap("", 4), ElementsAre());
  EXPECT_THAT(wrap("日本語", 4), ElementsAre("日本", "語"));
}

}  // namespace
}  // namespace tcpdwell::top
