// SPDX-License-Identifier: Apache-2.0
// The bytes of a frame, as a terminal understands them.
#include "top/paint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace tcpdwell::top {
namespace {

using testing::HasSubstr;
using testing::Not;

// Understands what paint() writes. After a character that is not ASCII the cursor is anywhere.
class Emulator {
 public:
  Emulator(int width, int height) : grid_(width, height) {}
  void feed(std::string_view bytes) {
    while (!bytes.empty()) {
      if (bytes[0] == '\033') {
        const auto end = bytes.find_first_of("HmKJ");
        ASSERT_NE(end, std::string_view::npos);
        sequence(std::string(bytes.substr(2, end - 2)), bytes[end]);
        bytes.remove_prefix(end + 1);
        continue;
      }
      std::size_t size = 1;
      while (size < bytes.size() && (static_cast<unsigned char>(bytes[size]) & 0xc0U) == 0x80)
        ++size;
      if (bytes.substr(size).starts_with(kCombining)) size += kCombining.size();
      ASSERT_GE(x_, 0) << "written where the cursor is not known";
      ASSERT_LT(x_, grid_.width());
      grid_.put(x_, y_, bytes.substr(0, size), style_);
      x_ = size == 1 ? x_ + 1 : -1;
      bytes.remove_prefix(size);
    }
  }
  const Grid& grid() const { return grid_; }

 private:
  static constexpr std::string_view kCombining = "\xcc\x81";

  void sequence(const std::string& arguments, char what) {
    if (what == 'H') {
      y_ = std::stoi(arguments) - 1;
      x_ = std::stoi(arguments.substr(arguments.find(';') + 1)) - 1;
    } else if (what == 'm') {
      style_ = {.bold = arguments.find(";1") != std::string::npos,
                .reverse = arguments.find(";7") != std::string::npos};
      if (arguments.find(";31") != std::string::npos) style_.tone = Tone::Red;
    } else if (what == 'J') {
      grid_ = Grid(grid_.width(), grid_.height());
    } else {
      EXPECT_EQ(style_, Style{}) << "erasing fills with the current style";
      for (int x = x_; x < grid_.width(); ++x) grid_.put(x, y_, " ");
    }
  }

  Grid grid_;
  Style style_;
  int x_ = -1, y_ = -1;
};

TEST(Paint, WritesOnlyWhatChanged) {
  Grid before(20, 3), now(20, 3);
  before.put(0, 1, "sockets: 12");
  now.put(0, 1, "sockets: 13");
  EXPECT_EQ(paint(now, &before, true), "\033[2;11H3");
  EXPECT_EQ(paint(now, &now, true), "");
}

TEST(Paint, PlacesTheCursorAfterOtherCharacters) {
  Grid now(20, 1);
  now.put(0, 0, "≥3s");
  EXPECT_THAT(paint(now, nullptr, true), HasSubstr("≥\033[1;2H3s"));
}

TEST(Paint, WithoutColor) {
  Grid now(20, 1);
  now.put(0, 0, "stuck", {Tone::Red, true, false});
  EXPECT_THAT(paint(now, nullptr, true), HasSubstr("\033[0;1;31m"));
  EXPECT_THAT(paint(now, nullptr, false), HasSubstr("\033[0;1m"));
  EXPECT_THAT(paint(now, nullptr, false), Not(HasSubstr("31")));
}

TEST(Paint, AnotherSizeIsDrawnAnew) {
  const Grid before(10, 1), now(20, 1);
  EXPECT_THAT(paint(now, &before, true), HasSubstr("\033[2J"));
}

TEST(Paint, ShowsWhatTheGridHas) {
  std::mt19937 random(7);
  const auto pick = [&](int most) {
    return static_cast<int>(random() % static_cast<unsigned>(most));
  };
  Emulator terminal(30, 6);
  Grid before(30, 6);
  terminal.feed(paint(before, nullptr, true));
  for (int round = 0; round < 500; ++round) {
    Grid now = pick(3) == 0 ? Grid(30, 6) : before;
    for (int i = 0; i < 4; ++i) {
      static constexpr const char* kTexts[] = {"abc", "日本",       "≥12",
                                               " ",   "e\xcc\x81x", "a long line"};
      const Style style{pick(2) == 0 ? Tone::Red : Tone::Plain, pick(2) == 0, pick(3) == 0};
      // Not into the right half of a wide character.
      now = now == before && pick(2) == 0 ? Grid(30, 6) : now;
      const int y = pick(6);
      for (int x = 0; x < 30; ++x) now.put(x, y, " ");
      now.put(pick(28), y, kTexts[pick(6)], style);
    }
    terminal.feed(paint(now, &before, true));
    ASSERT_EQ(terminal.grid().text(), now.text()) << "round " << round;
    ASSERT_EQ(terminal.grid(), now) << "round " << round;
    before = now;
  }
}

TEST(Paint, CopiesAsBase64) {
  EXPECT_EQ(copy_sequence("f"), "\033]52;c;Zg==\033\\");
  EXPECT_EQ(copy_sequence("fo"), "\033]52;c;Zm8=\033\\");
  EXPECT_EQ(copy_sequence("foobar"), "\033]52;c;Zm9vYmFy\033\\");
}

}  // namespace
}  // namespace tcpdwell::top
