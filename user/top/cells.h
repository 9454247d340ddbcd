// SPDX-License-Identifier: Apache-2.0
// A screen as a grid of cells. Pure: nothing is written to a terminal.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tcpdwell::top {

// Colors of the basic 16 that are legible on light and dark backgrounds.
enum class Tone : std::uint8_t { Plain, Red, Magenta, Green, Cyan };

struct Style {
  Tone tone = Tone::Plain;
  bool bold = false;
  bool reverse = false;
  bool operator==(const Style&) const = default;
};

// One column of the screen. A wide character has its bytes in the left cell; the right one has
// width 0 and no bytes.
struct Cell {
  static constexpr std::size_t kMost = 14;  // bytes of a character with its combining ones
  std::array<char, kMost> bytes{' '};
  std::uint8_t size = 1;
  std::uint8_t width = 1;
  Style style;
  bool operator==(const Cell&) const = default;
  std::string_view text() const { return {bytes.data(), size}; }
  bool is_ascii() const { return size == 1 && static_cast<unsigned char>(bytes[0]) < 0x80; }
};

class Grid {
 public:
  // `ascii`: put() replaces every other character.
  Grid(int width, int height, bool ascii = false);

  int width() const { return width_; }
  int height() const { return height_; }
  const Cell& at(int x, int y) const { return cells_[index(x, y)]; }

  // Writes printable UTF-8 (append_printable()) in at most `most` columns, and cuts the rest off
  // with an ellipsis. Returns the columns used. Outside of the grid nothing is written.
  int put(int x, int y, std::string_view text, Style style = {}, int most = INT32_MAX);
  // The same, aligned to the right end of `columns`.
  void put_right(int x, int y, std::string_view text, int columns, Style style = {});
  // Sets the style of a stretch of a line.
  void paint(int x, int y, int columns, Style style);

  // Lines without trailing spaces, for tests and for copying.
  std::string text() const;
  bool operator==(const Grid&) const = default;

 private:
  std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
           static_cast<std::size_t>(x);
  }
  void set(int x, int y, std::string_view bytes, int width, Style style);

  int width_, height_;
  bool ascii_;
  std::vector<Cell> cells_;
};

// Columns that put() needs for `text`.
int columns_of(std::string_view text, bool ascii);
// The same text with its middle replaced by an ellipsis if it is longer than `columns`. `tail`: how
// many of the last columns to keep.
std::string fit(std::string_view text, int columns, int tail);
// Lines of at most `columns` columns, broken at spaces; longer words are broken anywhere.
std::vector<std::string> wrap(std::string_view text, int columns);

}  // namespace tcpdwell::top
