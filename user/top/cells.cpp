// SPDX-License-Identifier: Apache-2.0
#include "top/cells.h"

#include <utf8proc.h>

#include <algorithm>
#include <utility>

#include "sinks/text_format.h"

namespace tcpdwell::top {
namespace {

struct Character {
  std::string_view bytes;
  int width = 1;
};

// Takes the first character off `text`. Invalid UTF-8 does not come from append_printable(); a byte
// of it becomes '?'.
Character take_character(std::string_view& text) {
  if (static_cast<unsigned char>(text.front()) < 0x80) {
    const Character one{text.substr(0, 1), 1};
    text.remove_prefix(1);
    return one;
  }
  utf8proc_int32_t code = 0;
  const auto used = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                     static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (used <= 0) {
    text.remove_prefix(1);
    return {"?", 1};
  }
  const Character one{text.substr(0, static_cast<std::size_t>(used)), utf8proc_charwidth(code)};
  text.remove_prefix(one.bytes.size());
  return one;
}

// Our own symbols have a spelling in ASCII.
std::string_view ascii_of(const Character& character) {
  static constexpr std::pair<std::string_view, std::string_view> kSpellings[] = {
      {"≥", ">="}, {"→", "->"}, {"…", "~"}, {"×", "x"}, {"·", "-"}, {"│", "|"}, {"─", "-"},
      {"▁", "."},  {"▂", ":"},  {"▃", "-"}, {"▄", "="}, {"▅", "+"}, {"▆", "*"}, {"▇", "#"},
      {"█", "@"},  {"▲", "^"},  {"▼", "v"}, {"←", "<"}, {"↑", "^"}, {"↓", "v"}};
  for (const auto& [symbol, spelling] : kSpellings)
    if (symbol == character.bytes) return spelling;
  return character.width == 2 ? "??" : character.width == 1 ? "?" : "";
}

}  // namespace

Grid::Grid(int width, int height, bool ascii)
    : width_(std::max(width, 1)),
      height_(std::max(height, 1)),
      ascii_(ascii),
      cells_(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_)) {}

void Grid::set(int x, int y, std::string_view bytes, int width, Style style) {
  Cell& cell = cells_[index(x, y)];
  cell = {};
  cell.size = static_cast<std::uint8_t>(std::min(bytes.size(), Cell::kMost));
  std::copy_n(bytes.begin(), cell.size, cell.bytes.begin());
  cell.width = static_cast<std::uint8_t>(width);
  cell.style = style;
  if (width != 2) return;
  Cell& right = cells_[index(x + 1, y)];
  right = {.size = 0, .width = 0, .style = style};
  right.bytes = {};
}

int Grid::put(int x, int y, std::string_view text, Style style, int most) {
  if (y < 0 || y >= height_ || x < 0 || x >= width_) return 0;
  most = std::clamp(most, 0, width_ - x);
  const bool cut = columns_of(text, ascii_) > most;
  const int room = cut ? most - 1 : most;
  int at = 0;
  while (!text.empty() && room >= 0) {
    const Character character = take_character(text);
    if (ascii_ && static_cast<unsigned char>(character.bytes.front()) >= 0x80) {
      const std::string_view spelling = ascii_of(character);
      if (at + static_cast<int>(spelling.size()) > room) break;
      for (std::size_t i = 0; i < spelling.size(); ++i)
        set(x + at++, y, spelling.substr(i, 1), 1, style);
      continue;
    }
    if (character.width == 0) {  // a combining character belongs to the cell before it
      if (at == 0) continue;
      const int left = at > 1 && this->at(x + at - 1, y).width == 0 ? 2 : 1;
      Cell& cell = cells_[index(x + at - left, y)];
      if (cell.size + character.bytes.size() > Cell::kMost) continue;
      std::copy(character.bytes.begin(), character.bytes.end(), cell.bytes.begin() + cell.size);
      cell.size = static_cast<std::uint8_t>(cell.size + character.bytes.size());
      continue;
    }
    if (at + character.width > room) break;
    set(x + at, y, character.bytes, character.width, style);
    at += character.width;
  }
  if (cut && at < most) set(x + at++, y, ascii_ ? "~" : "…", 1, style);
  return at;
}

void Grid::put_right(int x, int y, std::string_view text, int columns, Style style) {
  const int gap = std::max(columns - columns_of(text, ascii_), 0);
  put(x + gap, y, text, style, columns - gap);
}

void Grid::paint(int x, int y, int columns, Style style) {
  if (y < 0 || y >= height_) return;
  for (int i = std::max(x, 0); i < std::min(x + columns, width_); ++i)
    cells_[index(i, y)].style = style;
}

std::string Grid::text() const {
  std::string all;
  for (int y = 0; y < height_; ++y) {
    std::string line;
    for (int x = 0; x < width_; ++x) line += at(x, y).text();
    line.erase(line.find_last_not_of(' ') + 1);
    all += line + '\n';
  }
  return all;
}

int columns_of(std::string_view text, bool ascii) {
  if (!ascii) return static_cast<int>(display_width(text));
  int columns = 0;
  while (!text.empty()) {
    const Character character = take_character(text);
    columns += static_cast<unsigned char>(character.bytes.front()) < 0x80
                   ? 1
                   : static_cast<int>(ascii_of(character).size());
  }
  return columns;
}

std::string fit(std::string_view text, int columns, int tail) {
  const int all = static_cast<int>(display_width(text));
  if (all <= columns) return std::string(text);
  tail = std::clamp(tail, 0, columns - 1);
  std::string head, end;
  int at = 0;
  while (!text.empty()) {
    const Character character = take_character(text);
    if (at + character.width <= columns - tail - 1)
      head += character.bytes;
    else if (at >= all - tail)
      end += character.bytes;
    at += character.width;
  }
  return head + "…" + end;
}

std::vector<std::string> wrap(std::string_view text, int columns) {
  columns = std::max(columns, 1);
  std::vector<std::string> lines;
  std::string line, word;
  int line_width = 0, word_width = 0;
  const auto end_line = [&] {
    lines.push_back(std::exchange(line, {}));
    line_width = 0;
  };
  const auto end_word = [&] {
    if (word.empty()) return;
    if (line_width > 0 && line_width + 1 + word_width > columns) end_line();
    if (line_width > 0) line += ' ', ++line_width;
    line += std::exchange(word, {});
    line_width += std::exchange(word_width, 0);
  };
  while (!text.empty()) {
    const Character character = take_character(text);
    if (character.bytes == " ") {
      end_word();
      continue;
    }
    if (word_width + character.width > columns) {  // longer than a line
      if (line_width > 0) end_line();
      line = std::exchange(word, {});
      word_width = 0;
      end_line();
    }
    word += character.bytes;
    word_width += character.width;
  }
  end_word();
  if (!line.empty()) end_line();
  return lines;
}

}  // namespace tcpdwell::top
