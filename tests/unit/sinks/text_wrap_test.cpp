// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_wrap.h"

#include <gtest/gtest.h>

#include "sinks/text_table.h"

namespace tcpdwell {
namespace {

TEST(WrapLines, BreaksAtSpacesWithTheIndentOfTheLine) {
  EXPECT_EQ(wrap_lines("    one two three four five six seven eight nine\nshort\n", 36, 0),
            "    one two three four five six\n    seven eight nine\nshort\n");
  EXPECT_EQ(wrap_lines("12:34 one two three four five six seven eight", 36, 6),
            "12:34 one two three four five six\n      seven eight");
  EXPECT_EQ(wrap_lines("  next: one two three four five six seven", 40, 0),
            "  next: one two three four five six\n        seven");
}

TEST(WrapLines, LeavesALongWordWhole) {
  const std::string word(50, 'x');
  EXPECT_EQ(wrap_lines("a " + word + " b", 40, 2), "a\n" + word + "\n  b");
  EXPECT_EQ(wrap_lines("a 345678901234567890123456789012345678901234567890 b", 49, 40),
            "a\n 345678901234567890123456789012345678901234567890\n                   b");
}

TEST(WrapLines, WithoutALimitChangesNothing) {
  const std::string line = "  a  b " + std::string(300, 'x') + " c";
  EXPECT_EQ(wrap_lines(line, 0, 4), line);
}

TEST(WrapLines, ColorHasNoWidth) {
  const std::string line = "\033[31mone two\033[0m three four five six seven";
  EXPECT_EQ(wrap_lines(line, 37, 0), line);
}

TEST(Shortened, EndsInAnEllipsis) {
  EXPECT_EQ(shortened("python3", 7), "python3");
  EXPECT_EQ(shortened("python3", 5), "pyth…");
  EXPECT_EQ(shortened("服务器进程", 6), "服务…") << "a wide character is not halved";
}

TEST(TextTable, ShrinksByPriority) {
  TextTable table({{.title = "COUNT", .right = true, .short_title = "N"},
                   {.title = "PEER", .goes = 1, .moves = true},
                   {.title = "MEDIAN", .goes = 2},
                   {.title = "HOLDER", .least = 6}});
  table.add({"12", "[2001:db8::1]:443", "5.000s", "python3[4711]"});
  EXPECT_EQ(table.text(true, false, 80),
            "COUNT  PEER               MEDIAN  HOLDER\n"
            "   12  [2001:db8::1]:443  5.000s  python3[4711]\n");
  EXPECT_EQ(table.text(true, false, 45),
            "COUNT PEER              MEDIAN HOLDER\n"
            "   12 [2001:db8::1]:443 5.000s python3[4711]\n")
      << "first the gap";
  EXPECT_EQ(table.text(true, false, 36),
            " N PEER              HOLDER\n"
            "12 [2001:db8::1]:443 python3[4711]\n");
  EXPECT_EQ(table.text(true, false, 30),
            " N HOLDER\n"
            "12 python3[4711]\n"
            "       peer [2001:db8::1]:443\n");
  EXPECT_TRUE(table.text(true, false, 12).starts_with(" N HOLDER\n12 python3[…\n"));
}

TEST(TextTable, ProseInTheLastColumnWraps) {
  TextTable table({{"NAME"}, {.title = "WHAT", .wraps = true}});
  table.add({"a", "one two three four five six seven"});
  EXPECT_EQ(table.text(true, false, 40), "NAME  WHAT\na     one two three four five six seven\n");
  EXPECT_EQ(table.text(true, false, 36),
            "NAME  WHAT\na     one two three four five six\n      seven\n");
}

}  // namespace
}  // namespace tcpdwell
