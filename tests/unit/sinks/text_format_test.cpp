// SPDX-License-Identifier: Apache-2.0
#include "sinks/text_format.h"

#include <gtest/gtest.h>

#include "sinks/text_table.h"

namespace tcpdwell {
namespace {

TEST(DisplayWidth, CountsColumnsOfAScreen) {
  EXPECT_EQ(display_width(""), 0U);
  EXPECT_EQ(display_width("nginx[7]"), 8U);
  EXPECT_EQ(display_width("\xe2\x89\xa5"
                          "4s \xe2\x86\x92 \xc3\xa9"),
            7U)
      << "narrow, if not ASCII";
  EXPECT_EQ(display_width("\xe6\x9c\x8d\xe5\x8a\xa1"), 4U) << "CJK";
  EXPECT_EQ(display_width("\xef\xbc\xa1"), 2U) << "a full-width A";
  EXPECT_EQ(display_width("\xf0\x9f\x90\x99"), 2U) << "an emoji";
  EXPECT_EQ(display_width("e\xcc\x81"), 1U) << "a combining accent";
  EXPECT_EQ(display_width("\xff\xfe"
                          "a"),
            3U)
      << "no UTF-8: a column each";
}

TEST(DisplayWidth, KeepsTheColumnsOfATable) {
  TextTable table({{"PROCESS"}, {"FD", true}});
  table.add({"\xe6\x9c\x8d\xe5\x8a\xa1\xe5\x99\xa8\xe8\xbf\x9b\xe7\xa8\x8b", "3"}, "");
  table.add({"0123456789", "4"}, "");
  EXPECT_EQ(table.text(false, false),
            "\xe6\x9c\x8d\xe5\x8a\xa1\xe5\x99\xa8\xe8\xbf\x9b\xe7\xa8\x8b  3\n"
            "0123456789  4\n");
}

TEST(SuspendedText, SaysForHowLong) {
  EXPECT_EQ(suspended_text({.when = {}, .suspended = std::chrono::hours{8}}),
            "host SUSPENDED for 8h00m: dwells exclude that time");
}

}  // namespace
}  // namespace tcpdwell
